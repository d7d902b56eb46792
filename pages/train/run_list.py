"""The list of runs: a filter by state, kind and tag, and the table in which one run, or several to compare, are chosen."""

import zlib
from collections.abc import Callable, Iterable

import streamlit as st

from engine.runs import Run, Status
from engine.runs.notes import read_notes
from pages.shared.i18n import t
from pages.shared.labels import literal, when
from pages.shared.run_words import about, how_far, kind_name, state_name


def filtered(runs: list[Run]) -> list[Run]:
    """Those that match what is chosen in the filter; draws the filter."""
    facts = {run.id: _facts(run) for run in runs}
    chosen = {fact: st.session_state.get(f"runs.filter.{fact}") or [] for fact in ("state", "kind", "tag")}
    count = sum(map(len, chosen.values()))
    label = f"{t('Filter')} · {count}" if count else t("Filter")
    with st.popover(label, icon=":material/filter_list:", key="runs.filter"):
        for fact, (title, name) in _titles().items():
            # what was chosen stays on offer when the last run of that kind is gone
            options = sorted({*chosen[fact], *(value for run in runs for value in facts[run.id][fact])})
            if options:
                st.pills(title, options, selection_mode="multi", format_func=name, key=f"runs.filter.{fact}")
    return [
        run for run in runs if all(not wanted or facts[run.id][fact] & {*wanted} for fact, wanted in chosen.items())
    ]


def _facts(run: Run) -> dict[str, set[str]]:
    return {"state": {run.status().state}, "kind": {run.kind}, "tag": {*read_notes(run).tags}}


def _titles() -> dict[str, tuple[str, Callable[[str], str]]]:
    return {"state": (t("State"), state_name), "kind": (t("Kind"), kind_name), "tag": (t("Tags"), literal)}


def _progress(status: Status) -> str:
    if status.place is not None:
        return t("waiting")
    if status.state == "finished" and not status.adapter:
        return t("done")
    return how_far(status) if status.max_steps else "–"


def run_table(runs: list[Run], chosen: Iterable[str], several: bool) -> list[str]:
    """The table.

    Args:
        runs: the rows.
        chosen: ids of those chosen at first.
        several: whether more than one can be chosen.

    Returns:
        The ids of those chosen now.
    """
    statuses = [run.status() for run in runs]
    ids = [run.id for run in runs]
    event = st.dataframe(
        {
            t("Makes or uses"): [about(run, status) for run, status in zip(runs, statuses, strict=True)],
            t("State"): [state_name(status.state) for status in statuses],
            t("Progress"): [_progress(status) for status in statuses],
            t("Loss"): ["–" if status.loss is None else f"{status.loss:.4f}" for status in statuses],
            t("Tags"): [read_notes(run).tags for run in runs],
            t("Started"): [when(status.created) for status in statuses],
            t("Kind"): [kind_name(run.kind) for run in runs],
            t("Run"): ids,
        },
        hide_index=True,
        height=315 if len(runs) > 8 else "content",
        on_select="rerun",
        selection_mode="multi-row" if several else "single-row-required",
        selection_default={"selection": {"rows": [ids.index(run_id) for run_id in chosen if run_id in ids]}},
        # other rows are another table: a selection by place must not move to another run
        key=f"runs.{'several' if several else 'one'}.{zlib.crc32(' '.join(ids).encode())}",
    )
    return [ids[row] for row in event["selection"]["rows"] if row < len(ids)]
