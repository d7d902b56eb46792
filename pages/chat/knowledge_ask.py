"""Asking a knowledge base: the conversation so far, the answer as it is written, and something to begin with.

Every question is on disk before it is answered, and an answer is saved as it grows; the page draws what is on disk.
"""

import time
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine.chat import conversations, judgements
from engine.chat.conversations import Conversation, Message
from engine.chat.turns import LiveReply
from engine.knowledge import sample
from engine.knowledge.answering import LiveAnswer, answer_turn, without_knowledge
from engine.knowledge.bases import Base
from pages.chat.conversation_list import conversation_list
from pages.chat.knowledge_answer import TO_COMPARE, answer_message, without_of
from pages.chat.knowledge_bases import TAB
from pages.chat.knowledge_marks import marked_answer
from pages.chat.knowledge_talks import TalkSettings, current_conversation, talk_bar
from pages.chat.messages import TO_ANSWER, user_message
from pages.shared.frame import errors_shown, person
from pages.shared.i18n import t
from pages.shared.labels import literal
from pages.shared.text import harmless

LIVE = "knowledge.live"  # answers that the previous run of this page was writing
_SUGGESTED = "knowledge.suggested"

Live = LiveAnswer | LiveReply


@dataclass
class Asking:
    """The open tab, once it is drawn: waits for a question and answers it."""

    place: DeltaGenerator
    conversation: Conversation
    settings: TalkSettings
    line: list[Message]
    ready: bool

    def listen(self) -> None:
        """The box for questions, at the bottom of the page; an answer appears where the conversation ends."""
        words = st.chat_input(
            t("Ask the documents"), key="knowledge.input", submit_mode="disable", disabled=not self.ready
        )
        words = words or st.session_state.pop(_SUGGESTED, None)
        last = self.line[-1] if self.line else None
        with self.place:
            if words and words.strip():
                question = self._ask(words)
                user_message(question)
                self._answer(question, self.settings.compare)
            elif (parent := _wanted(self.line, TO_ANSWER)) is not None:
                self._answer(parent, self.settings.compare)
            elif (answered := _wanted(self.line, TO_COMPARE)) is not None:
                self._compare(answered)
            elif last and last.role == "user":
                st.button(
                    t("Answer"),
                    icon=":material/play_arrow:",
                    on_click=_answer_next,
                    args=(last,),
                    key="knowledge.answer",
                )

    def _ask(self, words: str) -> Message:
        """Put the question on disk. Going on from an answer keeps it over its other versions."""
        if self.line and self.line[-1].role == "assistant":
            judgements.keep(person(), self.line, self.line[-1])
        parent = self.line[-1].id if self.line else None
        return conversations.add_message(person(), self.conversation.id, "user", words, parent)

    def _answer(self, parent: Message, compare: bool) -> None:
        live: list[Live] = []
        with errors_shown():
            with st.spinner(t("Looking in the documents …")):
                asked = self.settings
                live.append(
                    answer_turn(
                        person(),
                        self.conversation.id,
                        parent,
                        asked.knowledge,
                        asked.a,
                        asked.sampling,
                        limit=asked.passages,
                    )
                )
            if compare:
                live.append(self._without(parent))
        self._write(live)

    def _compare(self, answered: Message) -> None:
        live: list[Live] = []
        parent = next(message for message in self.line if message.id == answered.parent_id)
        with errors_shown():
            live.append(self._without(parent))
        self._write(live)

    def _without(self, parent: Message) -> LiveReply:
        return without_knowledge(person(), self.conversation.id, parent, self.settings.a, self.settings.sampling)

    def _write(self, live: list[Live]) -> None:
        if live:
            st.session_state[LIVE] = live
            _stream(live)
            st.rerun()


def ask_tab(base: Base, found: list[Base]) -> Asking:
    """The tab."""
    conversation = current_conversation(base)
    conversation_list(conversation, knowledge=True)
    line = conversations.path(person(), conversation.id)
    settings = talk_bar(conversation, found)
    ready = any(each.passages for each in found if each.id in settings.knowledge)
    if not line:
        _welcome(base, settings, ready)
    _show(line)
    return Asking(st.container(), conversation, settings, line, ready)


def end_interrupted() -> None:
    """A click or a key while an answer was written ended that run of the script: keep what there is of the answer."""
    for answer in st.session_state.pop(LIVE, []):
        answer.finish()


def _welcome(base: Base, settings: TalkSettings, ready: bool) -> None:
    if not settings.knowledge:
        st.info(t("Choose a knowledge base to ask."), icon=":material/info:")
    elif not ready:
        st.info(t("There is nothing to ask yet: add documents first."), icon=":material/info:")
        st.button(
            t("Add documents"),
            type="primary",
            icon=":material/upload_file:",
            key="knowledge.to.documents",
            on_click=_to_documents,
        )
    elif base.name == sample.NAME:
        st.markdown(
            t("Ask one of these, or anything else. The documents hold no answer to the last: see what it says then.")
        )
        with st.container(key="knowledge.suggestions", gap="small"):
            for number, question in enumerate(sample.TRY):
                st.button(
                    literal(question),
                    key=f"knowledge.suggestion.{number}",
                    icon=":material/chat:",
                    on_click=_suggest,
                    args=(question,),
                )
    else:
        st.markdown(
            t(
                "Ask a question in your own words. The passages that fit are looked up, and the model answers from them, with "
                "the number of each; where nothing fits, no model is asked."
            )
        )


def _show(line: list[Message]) -> None:
    given = judgements.ratings(person(), line)
    for message in line:
        if message.role == "user":
            user_message(message)
        else:
            answer_message(line, message, without_of(message), given.get(message.id))


def _stream(live: list[Live]) -> None:
    columns = st.columns(len(live)) if len(live) > 1 else [st.chat_message("assistant")]
    places = []
    for number, column in enumerate(columns):
        with column:
            if len(live) > 1:
                st.markdown(f"**{t('With the documents') if number == 0 else t('Without them')}**")
            places.append(st.empty())
    st.button(t("Stop"), icon=":material/stop_circle:", key="knowledge.stop")  # any click ends this run of the script
    saved = time.monotonic()
    try:
        while not all(answer.stream.ended for answer in live):
            for place, answer in zip(places, live, strict=True):
                place.markdown(f"{_so_far(answer)} ▌" if answer.stream.text else t("Reading …"))
            if time.monotonic() - saved > 2:
                for answer in live:
                    answer.save_partial()
                saved = time.monotonic()
            time.sleep(0.05)
    finally:
        for answer in live:
            answer.finish()


def _so_far(answer: Live) -> str:
    """What is written of it; a citation is shown only once it was checked."""
    return marked_answer(answer.shown()) if isinstance(answer, LiveAnswer) else harmless(answer.stream.text)


def _wanted(line: list[Message], key: str) -> Message | None:
    wanted = st.session_state.pop(key, None)
    return next((message for message in line if message.id == wanted), None)


def _answer_next(message: Message) -> None:
    st.session_state[TO_ANSWER] = message.id


def _suggest(question: str) -> None:
    st.session_state[_SUGGESTED] = question


def _to_documents() -> None:
    st.session_state[TAB] = "documents"
