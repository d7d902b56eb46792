"""Documents being taken in and bases being indexed anew, at the top of the page; and how the last such run of a base ended."""

import streamlit as st

from engine.errors import StudioError
from engine.jobs import local
from engine.knowledge.bases import Base
from engine.knowledge.specs import SPECS, KnowledgeSpec
from engine.runs import Run, list_runs
from engine.runs.run import ENDED
from pages.shared import run_words
from pages.shared.i18n import t
from pages.shared.labels import literal, when
from pages.shared.run_panel import run_ending, run_summary
from pages.shared.text import harmless

_BEGUN = "knowledge.begun"
_HIDDEN = "knowledge.hidden"
_FIRST = 5
"""Notes on files that are shown at once; the others are folded."""
_NEWEST = 200
"""Runs that are looked at: what is older is nobody's last run."""


def begin(spec: KnowledgeSpec) -> None:
    """Start a run.

    Raises:
        BadInput: it cannot work as asked; nothing was started.
    """
    run = local.start_knowledge(spec)
    st.session_state[_BEGUN] = [*st.session_state.get(_BEGUN, []), run.id]


def at_work() -> None:
    """Every run that goes on, and those begun here that did not finish, until they are waved away."""
    mine: list[str] = st.session_state.get(_BEGUN, [])
    for run in list_runs()[:_NEWEST]:
        if run.kind not in SPECS:
            continue
        status = run.status()
        if status.state not in ENDED:
            run_summary(run)
        elif run.id in mine and status.state == "finished":
            _forget(run.id)
            st.toast(t("Done: “{name}”", name=literal(status.subject or run.id)), icon=":material/check:")
        elif run.id in mine:
            run_summary(run)
            run_ending(run, status)
            st.button(t("Hide"), type="tertiary", key=f"hide.{run.id}", on_click=_forget, args=(run.id,))


def is_busy(base: Base) -> bool:
    """Whether a run about this base waits or goes on."""
    run = _last(base)
    return run is not None and run.status().state not in ENDED


def last_time(base: Base) -> None:
    """What came of the files that were added last, until it is waved away."""
    run = _last(base, kind="ingest")
    if run is None or run.id in st.session_state.get(_HIDDEN, []):
        return
    status = run.status()
    if status.state not in ENDED or not status.result:
        return
    result = status.result
    with st.container(border=True, gap="small", key="knowledge.last"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f"**{t('Added last')}** · {when(status.ended or status.created)}", width="content")
            st.button(
                t("Hide"),
                type="tertiary",
                icon=":material/close:",
                key="knowledge.last.hide",
                on_click=_hide,
                args=(run,),
            )
        st.markdown(run_words.result(run, result))
        said = [f":material/block: {harmless(sentence)}" for sentence in run_words.refused(result)]
        for name, others in result.get("duplicates", {}).items():
            words = t(
                "“{file}” has the same content as “{other}”; both are kept.", file=name, other="”, “".join(others)
            )
            said.append(f":material/content_copy: {harmless(words)}")
        for words in said[:_FIRST]:
            st.markdown(words)
        if rest := said[_FIRST:]:
            with st.expander(t("{n} more", n=len(rest)), type="compact", key=f"knowledge.last.{run.id}"):
                for words in rest:
                    st.markdown(words)


def _last(base: Base, kind: str | None = None) -> Run | None:
    for run in list_runs()[:_NEWEST]:
        if run.kind in ([kind] if kind else SPECS) and run.spec().get("base") == base.id:
            return run
    return None


def forget_base(base: Base) -> None:
    """Stop what goes on about a base that is to be deleted."""
    for run in list_runs()[:_NEWEST]:
        if run.kind in SPECS and run.spec().get("base") == base.id and run.status().state not in ENDED:
            try:
                local.stop(run)
            except StudioError:  # it has ended by itself
                continue


def _hide(run: Run) -> None:
    st.session_state[_HIDDEN] = [*st.session_state.get(_HIDDEN, []), run.id]


def _forget(run_id: str) -> None:
    st.session_state[_BEGUN] = [begun for begun in st.session_state.get(_BEGUN, []) if begun != run_id]
