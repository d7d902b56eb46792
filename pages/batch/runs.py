"""The batches that were started: how far each is, its replies, what failed and why, and what can be done with them."""

from collections import Counter

import streamlit as st

from engine.batch.results import Counts, results
from engine.batch.source import spec_of
from engine.batch.spec import BatchSpec
from engine.jobs import local
from engine.jobs.batch import rerun_failed
from engine.runs import Run, Status
from engine.runs.run import ENDED
from pages.batch.form import GO_TO, take_spec
from pages.batch.onward import onward
from pages.batch.rows import rows
from pages.batch.scores import scores
from pages.shared import frame, run_words
from pages.shared.i18n import t
from pages.shared.labels import duration, literal, when
from pages.shared.queue_place import queue_place
from pages.shared.run_panel import EVERY, badge, run_ending, run_papers

RUN = "run"
"""What the address calls the chosen one."""
_CHOSEN = "batch.chosen"
_ASKED = "batch.asked"
_LIST_EVERY = "6s"


def runs_view(runs: list[Run]) -> None:
    """The list, and the chosen one."""
    asked = st.query_params.get(RUN)
    run = next((run for run in runs if run.id == asked), runs[0])
    st.query_params[RUN] = run.id
    live = any(run.status().state not in ENDED for run in runs)
    left, right = st.columns([1, 2], gap="large")
    with left:
        st.fragment(_list, run_every=_LIST_EVERY if live else None)(runs, run)
    with right:
        ended = run.status().state in ENDED
        st.fragment(_live, run_every=None if ended else EVERY)(run, ended)
        onward(run)
        st.fragment(_rows, run_every=None if ended else _LIST_EVERY)(run)
        run_papers(run)


def _list(runs: list[Run], shown: Run) -> None:
    labels = _labels(runs)
    st.session_state[_CHOSEN] = st.session_state.pop(_ASKED, shown.id)
    with st.container(height=560 if len(runs) > 7 else "content", border=False):
        st.radio(
            t("Batch"),
            list(labels),
            format_func=labels.__getitem__,
            captions=[_caption(run) for run in runs],
            key=_CHOSEN,
            label_visibility="collapsed",
            on_change=_choose,
        )
    if st.session_state[_CHOSEN] != shown.id:
        st.query_params[RUN] = st.session_state[_CHOSEN]
        st.rerun()  # the whole page: the other one is shown


def _labels(runs: list[Run]) -> dict[str, str]:
    """What each is called, by its id: two of one name get the end of their ids, as the browser knows options by their labels."""
    names = {run.id: f"**{literal(spec_of(run).file.name, 40)}**" for run in runs}
    often = Counter(names.values())
    return {id: name if often[name] == 1 else f"{name} :small[{id[-4:]}]" for id, name in names.items()}


def _choose() -> None:
    st.session_state[_ASKED] = st.session_state[_CHOSEN]


def _caption(run: Run) -> str:
    status, spec, counts = run.status(), spec_of(run), results(run)
    names = [spec.model or "", *(name for name in spec.sides.values() if name)]
    facts = [run_words.state_name(status.state), when(status.created)]
    if counts.rows:
        facts.append(t("{n} rows", n=f"{counts.rows:,}"))
    if counts.failed:
        facts.append(t("{n} failed", n=f"{counts.failed:,}"))
    facts += map(literal, filter(None, names))
    return " · ".join(facts)


def _live(run: Run, ended: bool) -> None:
    status = run.status()
    if not ended and status.state in ENDED:
        st.rerun()  # the whole page: the list shows the ending, and looking every two seconds ends
    counts, spec = results(run), spec_of(run)
    with frame.errors_shown():
        _head(run, status, counts, spec)
        if status.state == "finished":
            st.caption(_figures(status, counts))
        else:
            st.progress(run_words.share(status), _figures(status, counts))
        run_ending(run, status)
        if status.place is not None:
            queue_place(run)
        if counts.scores:
            scores(counts, spec)


def _rows(run: Run) -> None:
    with frame.errors_shown():
        rows(run, results(run), spec_of(run))


def _head(run: Run, status: Status, counts: Counts, spec: BatchSpec) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(literal(spec.file.name), width="content", anchor=False)
        badge(status)
        st.space("stretch")
        if status.state in ("queued", "running"):
            st.button(
                t("Stop"),
                icon=":material/stop:",
                key="batch.stop",
                help=run_words.stop_hint(run, status),
                on_click=local.stop_in_background,
                args=(run,),
            )
        if status.state in ("stopped", "failed", "lost") and st.button(
            t("Resume"),
            type="primary",
            icon=":material/play_arrow:",
            key="batch.resume",
            help=run_words.resume_hint(run, status),
        ):
            local.resume(run)
            st.rerun()
        if (
            status.state in ENDED
            and counts.failed
            and st.button(
                t("Run the failed rows again"),
                icon=":material/replay:",
                key="batch.again",
                help=t("With other seeds. Replies that are there stay."),
            )
        ):
            rerun_failed(run)
            st.rerun()
        if st.button(
            t("Use these settings"),
            icon=":material/content_copy:",
            type="tertiary",
            key="batch.clone",
            help=t("Fills the form with them, and with the file; you change what you like, and start."),
        ):
            take_spec(spec)
            st.session_state[GO_TO] = "new"
            st.rerun()


def _figures(status: Status, counts: Counts) -> str:
    """How far it is, in one line."""
    if not counts.rows:
        return run_words.progress(status)
    words = [t("{n} of {all} rows", n=f"{counts.done + counts.failed:,}", all=f"{counts.rows:,}")]
    if counts.failed:
        words.append(t("{n} failed", n=f"{counts.failed:,}"))
    if counts.rows_per_second:
        words.append(t("{n} rows a second", n=f"{counts.rows_per_second:,.1f}"))
    if status.seconds_left is not None and status.state == "running":
        words.append(t("about {time} left", time=duration(status.seconds_left)))
    return " · ".join(words)
