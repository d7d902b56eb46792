"""The step that is worth taking next, in words and with its button; and the first page a newcomer sees."""

from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine.adapters.store import Adapter
from engine.data import SAMPLE, importing, registry
from engine.next_step import ENOUGH, Counts, Step
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.labels import literal

_CHAT = "pages/chat/chat.py"
_SAMPLE_NAME = "zorvex"


@dataclass(frozen=True)
class _Suggestion:
    title: str
    why: str
    button: str
    page: str
    icon: str


def suggest(step: Step, counts: Counts, newest: Adapter | None) -> None:
    """One card, one primary button.

    Args:
        step: what `engine.next_step` says.
        counts: what it said so from.
        newest: the newest chat adapter.
    """
    found = _suggestion(step, counts, newest)
    with st.container(border=True, key=f"home.next.{step}"):
        _loop(step)
        st.subheader(found.title, anchor=False)
        st.markdown(found.why)
        if step == "rate" and counts.new_feedback:
            st.progress(
                min(1.0, counts.new_feedback / ENOUGH),
                t("{n} of {enough} judgements for the next dataset", n=counts.new_feedback, enough=ENOUGH),
            )
        if st.button(found.button, type="primary", icon=f":material/{found.icon}:", key="home.next"):
            if newest and step in ("compare", "use"):
                st.session_state["chat.compare" if step == "compare" else "chat.adapter"] = newest.name
                st.switch_page(found.page, query_params={"adapter": newest.name})
            st.switch_page(found.page)


def welcome(person: str) -> None:
    """What the studio is for, and the two shortest ways in."""
    st.title(t("Welcome, {name}", name=literal(person, 60)))
    st.markdown(
        t(
            "Here you teach a chat model by judging it. You talk with it, say which replies are good, train a small "
            "adapter on your judgements, and compare it with what was there before. Then again, with a better model."
        )
    )
    _loop("begin")
    left, right = st.columns(2, gap="medium")
    with left, _way_in("home.begin.chat", t("Talk to it now"), _ask_it()):
        if st.button(t("Chat now"), type="primary", icon=":material/forum:", key="home.chat"):
            st.switch_page(_CHAT)
    sample = t(
        "Forty short conversations about the Zorvex 9, a drone that does not exist. No model knows it, so you see at "
        "once what yours has learnt."
    )
    with right, _way_in("home.begin.sample", t("Teach it something in ten minutes"), sample):
        if st.button(t("Load the sample and train"), icon=":material/model_training:", key="home.sample"):
            _load_sample()
    with st.container(horizontal=True, vertical_alignment="center", key="home.more"):
        st.caption(t("Also here:"), width="content")
        st.page_link("pages/chat/knowledge.py", label=t("Ask your own documents"), icon=":material/menu_book:")
        st.page_link("pages/image/draw.py", label=t("Draw with words"), icon=":material/brush:")
        st.page_link("pages/image/lora.py", label=t("Teach a picture model"), icon=":material/palette:")
        st.page_link("pages/batch/batch.py", label=t("Answer a whole file"), icon=":material/table:")


def _way_in(key: str, title: str, words: str) -> DeltaGenerator:
    """A card of the same height as its neighbour, its words at the top and its button at the bottom."""
    card = st.container(border=True, height="stretch", vertical_alignment="distribute", key=key)
    with card.container():
        st.subheader(title, anchor=False)
        st.markdown(words)
    return card


def _ask_it() -> str:
    return t("Ask it something, and say whether its reply is any good.")


def _load_sample() -> None:
    with frame.errors_shown():
        if _SAMPLE_NAME not in {card.name for card in registry.list_datasets()}:  # a second tab may have been quicker
            importing.import_files([SAMPLE], _SAMPLE_NAME)
        st.session_state["lora.dataset"] = _SAMPLE_NAME
        st.switch_page("pages/train/lora.py")


def _loop(step: Step) -> None:
    """The loop as a line of badges, the present step in colour."""
    stages = {
        "chat": f":material/forum: {t('Chat')}",
        "rate": f":material/thumbs_up_down: {t('Judge')}",
        "dataset": f":material/dataset: {t('Make a dataset')}",
        "train": f":material/model_training: {t('Train')}",
        "compare": f":material/compare_arrows: {t('Compare')}",
    }
    here = {"begin": None, "watch": "train", "use": "chat"}.get(step, step)
    badges = (f":{'primary' if name == here else 'gray'}-badge[{words}]" for name, words in stages.items())
    st.markdown(" :small[→] ".join(badges))


def _suggestion(step: Step, counts: Counts, newest: Adapter | None) -> _Suggestion:
    adapter = literal(newest.name) if newest else ""
    if step == "watch":
        return _Suggestion(
            t("A training is going on"),
            t("Watch how the loss falls. It goes on if you close this page."),
            t("Watch it"),
            "pages/train/runs.py",
            "monitoring",
        )
    if step == "train":
        return _Suggestion(
            t("Train on your newest dataset"),
            t("It has taught no adapter yet. The defaults learn something visible in a few minutes."),
            t("Train an adapter"),
            "pages/train/lora.py",
            "model_training",
        )
    if step == "compare":
        return _Suggestion(
            t("Is “{adapter}” better?", adapter=adapter),
            t("Ask it and the base model the same question, and choose the better reply."),
            t("Compare them in Chat"),
            _CHAT,
            "compare_arrows",
        )
    if step == "dataset":
        return _Suggestion(
            t("Make a dataset"),
            t("{n} new judgements are waiting: enough to learn from.", n=f"{counts.new_feedback:,}"),
            t("Look through them"),
            "pages/chat/feedback.py",
            "thumbs_up_down",
        )
    if step == "use":
        return _Suggestion(
            t("Go on with “{adapter}”", adapter=adapter),
            t("Chat with it and judge its replies: the next dataset grows out of them."),
            t("Chat with it"),
            _CHAT,
            "forum",
        )
    if step == "rate":
        return _Suggestion(
            t("Judge some replies"),
            t("Thumbs, stars, or the reply as it should have been: each judgement can become training data."),
            t("Go on chatting"),
            _CHAT,
            "thumbs_up_down",
        )
    return _Suggestion(
        t("Talk to the model"),
        _ask_it(),
        t("Chat now"),
        _CHAT,
        "forum",
    )
