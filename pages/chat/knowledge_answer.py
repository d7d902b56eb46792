"""One answer from documents: its words with their citations, the passages they stand on, and what can be done with it."""

from dataclasses import replace

import streamlit as st

from engine.chat import conversations
from engine.chat.conversations import Message
from engine.feedback.schema import Feedback
from engine.knowledge.answering import Knowledge, knowledge_of
from engine.knowledge.citations import Citation
from pages.chat.knowledge_marks import PROBLEM_ICON, marked_answer, problems
from pages.chat.knowledge_place import passage_dialog
from pages.chat.knowledge_why import why
from pages.chat.messages import answer_again_button, described, reply_text, versions
from pages.shared.feedback_bar import feedback_bar
from pages.shared.frame import person
from pages.shared.i18n import t
from pages.shared.labels import literal
from pages.shared.text import harmless

TO_COMPARE = "knowledge.to_compare"  # id of the answer that is to be given without the documents too
WITHOUT = "without_knowledge"  # in the meta of an answer given without the documents


def without_of(message: Message) -> Message | None:
    """The newest answer to the same question that was given without the documents; one stopped before its first word is none."""
    if message.parent_id is None:
        return None
    others = conversations.children(person(), message.parent_id)
    given = (other for other in reversed(others) if other.meta.get(WITHOUT))
    return next((other for other in given if other.content.strip() or other.meta.get("error")), None)


def answer_message(line: list[Message], message: Message, without: Message | None, given: Feedback | None) -> None:
    """The answer, beside it the one without documents if there is one, and their actions."""
    knowledge = knowledge_of(message)
    if knowledge is None or without is None:
        with st.chat_message("assistant"):
            _words(message, knowledge)
            if knowledge:
                _actions(line, message, knowledge, given, compared=False)
        return
    titles = t("With the documents"), t("Without them")
    for place, title, answer in zip(st.columns(2), titles, (message, without), strict=True):
        with place, st.container(border=True, key=f"knowledge.side.{answer.id}"):
            st.markdown(f"**{title}**")
            _words(answer, knowledge if answer is message else None)
    _actions(line, message, knowledge, given, compared=True)


def _actions(
    line: list[Message], message: Message, knowledge: Knowledge, given: Feedback | None, compared: bool
) -> None:
    if given and given.correction:
        st.info(harmless(given.correction), icon=":material/edit_note:")
    with st.container(horizontal=True, vertical_alignment="center", key=f"knowledge.actions.{message.id}"):
        if not knowledge.refused and message.content.strip():  # nobody spoke where it was refused
            feedback_bar(line, message, given)
        versions(replace(message, versions=_with_documents(message)))
        answer_again_button(message)
        if not compared:
            st.button(
                t("Compare"),
                key=f"knowledge.compare.{message.id}",
                icon=":material/compare:",
                type="tertiary",
                help=t("What the model says to the same question from what it knows by itself, side by side."),
                on_click=_compare,
                args=(message,),
            )
    why(message, knowledge)


def _with_documents(message: Message) -> tuple[int, ...]:
    """The versions among which one can turn: an answer without documents stands beside one, not in its place."""
    if message.parent_id is None:
        return message.versions
    others = conversations.children(person(), message.parent_id)
    return tuple(other.id for other in others if not other.meta.get(WITHOUT))


def _words(message: Message, knowledge: Knowledge | None) -> None:
    if knowledge is None:
        reply_text(message)
        st.caption(described(message))
        return
    if knowledge.rewritten:
        st.caption(f":material/edit_note: {t('Understood as: {question}', question=harmless(knowledge.question))}")
    if knowledge.refused:
        st.markdown(f":material/search_off: {harmless(message.content)}")
        return
    if knowledge.checked is None or message.meta.get("error"):
        reply_text(message)
    else:
        st.markdown(marked_answer(knowledge.checked))
        if found := problems(knowledge.checked):
            st.caption(f"{PROBLEM_ICON} {' · '.join(found)}")
        _sources(message, knowledge.checked.citations)
    st.caption(described(message))


def _sources(message: Message, citations: list[Citation]) -> None:
    """One button for each passage that is cited."""
    if not citations:
        return
    with st.container(horizontal=True, gap="xsmall", key=f"knowledge.sources.{message.id}"):
        for citation in citations:
            if st.button(
                f":blue-badge[{citation.n}] {literal(citation.document, 40)} · {_place(citation)}",
                key=f"knowledge.cite.{message.id}.{citation.n}",
                type="tertiary",
                help=literal(citation.quote, 200),
            ):
                passage_dialog(citation.base, citation.passage_id, citation.document, citation.quote)


def _place(citation: Citation) -> str:
    return t("page {n}", n=citation.page) if citation.page is not None else t("line {n}", n=citation.line)


def _compare(message: Message) -> None:
    st.session_state[TO_COMPARE] = message.id
