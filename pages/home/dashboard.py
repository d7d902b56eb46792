"""Home: what to do next, what is going on, what there is. A newcomer finds the two shortest ways in."""

from datetime import UTC, datetime

import streamlit as st

from engine.adapters.store import Adapter, list_adapters
from engine.chat import conversations
from engine.data import registry
from engine.feedback.store import FeedbackFilter, count
from engine.next_step import Counts, next_step
from engine.runs import Run, list_runs
from engine.runs.run import ENDED
from pages.home.machine import machine
from pages.home.suggestion import suggest, welcome
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.labels import literal, when
from pages.shared.run_panel import run_summary

_RECENT = 3


def main() -> None:
    """The page."""
    person = frame.person()
    with frame.errors_shown():
        runs, adapters = list_runs(), list_adapters()
        active = [run for run in runs if run.status().state not in ENDED]
        counts = _counts(person, adapters, active)
        step = next_step(counts)
        if step == "begin" and not runs:
            welcome(person)
            machine(live=False)
            return
        st.title(t("Home"))
        left, right = st.columns([3, 2], gap="large")
        with left:
            suggest(step, counts, _newest(adapters))
        with right:
            machine(live=bool(active))
        _numbers(counts)
        if runs:
            _runs(active, [run for run in runs if run not in active])
        if adapters:
            _adapters(adapters)


def _counts(person: str, adapters: list[Adapter], active: list[Run]) -> Counts:
    datasets = registry.list_datasets()
    of_feedback = [card.created for card in datasets if any("feedback" in source for source in card.sources)]
    newest = _newest(adapters)
    taught = newest.card.created if newest else 0
    return Counts(
        conversations=len(conversations.find(person)),
        feedback=count(),
        new_feedback=count(FeedbackFilter(since=datetime.fromtimestamp(max(of_feedback, default=0), UTC))),
        datasets=len(datasets),
        untrained_datasets=sum(card.kind == "messages" and card.created > taught for card in datasets),
        adapters=len(adapters),
        newest_compared=count(FeedbackFilter(kind="comparison", adapter=newest.name)) if newest else 0,
        active_runs=len(active),
    )


def _newest(adapters: list[Adapter]) -> Adapter | None:
    return next((adapter for adapter in adapters if adapter.card.kind == "chat"), None)


def _numbers(counts: Counts) -> None:
    with st.grid(4, min_column_width=140):
        _number(t("Your conversations"), counts.conversations, "chat/chat.py", t("Chat"), "forum")
        _number(t("Judgements"), counts.feedback, "chat/feedback.py", t("Feedback"), "thumbs_up_down")
        _number(t("Datasets"), counts.datasets, "data/datasets.py", t("Datasets"), "dataset")
        _number(t("Adapters"), counts.adapters, "train/lora.py", t("LoRA training"), "model_training")


def _number(label: str, value: int, page: str, link: str, icon: str) -> None:
    with st.container(border=True, gap="xsmall", key=f"home.count.{icon}"):
        st.metric(label, f"{value:,}")
        st.page_link(f"pages/{page}", label=link, icon=f":material/{icon}:")


def _runs(active: list[Run], ended: list[Run]) -> None:
    st.subheader(t("Runs"), anchor=False)
    for run in [*active, *ended[:_RECENT]]:
        run_summary(run)
    if len(ended) > _RECENT:
        st.page_link("pages/train/runs.py", label=t("All runs"), icon=":material/monitoring:")


def _adapters(adapters: list[Adapter]) -> None:
    st.subheader(t("Newest adapters"), anchor=False)
    for adapter in adapters[:_RECENT]:
        _adapter(adapter)


def _adapter(adapter: Adapter) -> None:
    card = adapter.card
    facts = [card.base_model, card.dataset and t("learnt from {dataset}", dataset=card.dataset)]
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"home.adapter.{adapter.name}"):
        st.markdown(f"**{literal(adapter.name)}**", width="content")
        st.caption(" · ".join([*(literal(fact) for fact in facts if fact), when(card.created)]))
        if card.kind == "chat" and st.button(
            t("Chat"), type="tertiary", icon=":material/forum:", key=f"home.adapter.{adapter.name}.chat"
        ):
            st.session_state["chat.adapter"] = adapter.name
            st.switch_page("pages/chat/chat.py", query_params={"adapter": adapter.name})


main()
