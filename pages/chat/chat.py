"""The chat page: ask, read the reply as it is written, judge it, go back and try another way.

Every message is on disk before it is answered, and a reply is saved as it grows; the page draws what is on disk.
"""

import secrets
import time

import streamlit as st

from engine.chat import conversations, judgements
from engine.chat.conversations import Conversation, Message
from engine.chat.turns import LiveReply, start_reply
from pages.chat.blind import blind_banner, blind_view
from pages.chat.conversation_list import conversation_list, current_conversation
from pages.chat.messages import TO_ANSWER, assistant_message, user_message
from pages.chat.settings_bar import ChatSettings, begin_comparison, settings_bar
from pages.chat.side_by_side import pair_messages, pair_of
from pages.shared.frame import errors_shown, person
from pages.shared.i18n import t
from pages.shared.text import harmless

LIVE = "chat.live"  # replies that the previous run of this page was writing


def main() -> None:
    """Draw the page."""
    _end_interrupted()
    if adapter := st.session_state.pop("chat.compare", None):
        begin_comparison(adapter)
    conversation = current_conversation()
    conversation_list(conversation)
    if blind_view():
        return
    blind_banner()
    settings = settings_bar(conversation)
    line = conversations.path(person(), conversation.id)
    if not line:
        _welcome()
    _show(line)
    words = st.chat_input(t("Write a message"), key="chat.input", submit_mode="disable")
    if words and words.strip():
        question = _ask(conversation, line, words)
        user_message(question)
        _answer(conversation, question, settings)
    elif (parent := _to_answer(line)) is not None:
        _answer(conversation, parent, settings)
    elif line and line[-1].role == "user":
        st.button(t("Answer"), icon=":material/play_arrow:", on_click=_answer_next, args=(line[-1],), key="chat.answer")


def _welcome() -> None:
    st.markdown(f"### {t('Ask something')}")
    st.markdown(
        t(
            "Then judge the reply: thumbs, stars, or the words it should have said. Your judgements are what the model learns from."
        )
    )


def _show(line: list[Message]) -> None:
    given = judgements.ratings(person(), line)
    for message in line:
        if message.role == "user":
            user_message(message)
        elif (pair := pair_of(message)) is not None:
            pair_messages(line, *pair)
        else:
            assistant_message(line, message, given.get(message.id))


def _ask(conversation: Conversation, line: list[Message], words: str) -> Message:
    """Put the question on disk. Going on from a reply keeps it over its other versions."""
    if line and line[-1].role == "assistant":
        judgements.keep(person(), line, line[-1])
    parent = line[-1].id if line else None
    return conversations.add_message(person(), conversation.id, "user", words, parent)


def _to_answer(line: list[Message]) -> Message | None:
    wanted = st.session_state.pop(TO_ANSWER, None)
    return next((message for message in line if message.id == wanted), None)


def _answer_next(message: Message) -> None:
    st.session_state[TO_ANSWER] = message.id


def _answer(conversation: Conversation, parent: Message, settings: ChatSettings) -> None:
    """Start the reply (or both), show it as it grows, then draw the page anew with what is on disk."""
    metas: list[dict] = [{}]
    if settings.side_by_side:
        pair = {"pair": secrets.token_hex(4), "blind": settings.blind}
        left = secrets.choice("ab") if settings.blind else "a"
        metas = [{**pair, "side": side, "left": left} for side in "ab"]
    live: list[LiveReply] = []
    with errors_shown():
        for speaker, meta in zip(settings.speakers, metas, strict=True):
            reply = start_reply(person(), conversation.id, parent, speaker, settings.sampling, settings.system, meta)
            live.append(reply)
    if len(live) < len(metas):  # one was refused, and the page says why
        for reply in live:
            reply.finish()
        return
    st.session_state[LIVE] = live
    _stream(live)
    st.rerun()


def _stream(live: list[LiveReply]) -> None:
    in_order = live if live[0].meta.get("left", "a") == "a" else live[::-1]
    columns = st.columns(len(live)) if len(live) > 1 else [st.chat_message("assistant")]
    places = [column.empty() for column in columns]
    st.button(t("Stop"), icon=":material/stop_circle:", key="chat.stop")  # any click ends this run of the script
    speed = st.empty()
    saved = time.monotonic()
    try:
        while not all(reply.stream.ended for reply in live):
            for place, reply in zip(places, in_order, strict=True):
                place.markdown(f"{harmless(reply.stream.text)} ▌" if reply.stream.text else t("Reading …"))
            speed.caption(_speed(live))
            if time.monotonic() - saved > 2:
                for reply in live:
                    reply.save_partial()
                saved = time.monotonic()
            time.sleep(0.05)
    finally:
        for reply in live:
            reply.finish()


def _speed(live: list[LiveReply]) -> str:
    tokens = sum(reply.stream.pieces for reply in live)
    seconds = max(0.1, time.monotonic() - live[0].started)
    return t("{speed} tokens a second", speed=f"{tokens / seconds:.1f}")


def _end_interrupted() -> None:
    """A click or a key while a reply was written ends that run of the script: keep what there is of the reply."""
    for reply in st.session_state.pop(LIVE, []):
        reply.finish()


main()
