"""Blind comparisons on the chat page: a line that says one is waiting, and the view in which a person votes.

Nothing here knows which reply is whose: the engine shuffles, and tells no one before the session is read on another page.
"""

import time

import streamlit as st

from engine.blind.sessions import waiting
from engine.blind.voting import BlindItem, Choice, next_item, vote
from engine.errors import BadInput
from pages.shared.frame import errors_shown, person
from pages.shared.i18n import t
from pages.shared.labels import literal
from pages.shared.text import harmless

ADDRESS = "blind"
LOOK = 0.3
"""Seconds. A vote on a pair that came up more recently is the second half of a double click, not a judgement."""
_SHOWN = "blind.shown"  # the item before the person, and since when


def blind_banner() -> None:
    """One line, if a comparison has something left for this person."""
    if not (found := waiting(person())):
        return
    oldest = found[0]
    st.button(
        t("Blind comparison waiting: {name}, {n} left", name=literal(oldest.session.name), n=oldest.left),
        icon=":material/balance:",
        key="blind.open",
        on_click=_open,
        args=(oldest.session.id,),
    )


def blind_view() -> bool:
    """The voting view in place of the chat, if the address asks for it; opening a conversation leaves it.

    Returns:
        Whether it was drawn.
    """
    asked = st.query_params.get(ADDRESS)
    if asked is None:
        return False
    if _opened_a_conversation():
        _leave()
        return False
    head, back = st.columns([4, 1], vertical_alignment="center")
    head.markdown(f"### {t('Which reply is better?')}")
    back.button(t("Back to chat"), icon=":material/arrow_back:", key="blind.back", on_click=_leave)
    with errors_shown():
        _vote_on_next(_number(asked))
    return True


def _vote_on_next(session_id: int) -> None:
    item = next_item(session_id, person())
    if item is None:
        st.success(t("You have voted on all of them. Thank you!"), icon=":material/check:")
        return
    st.progress((item.place - 1) / item.total, t("{n} of {total}", n=item.place, total=item.total))
    _prompt(item.prompt)
    sides = (t("Left"), item.left), (t("Right"), item.right)
    for place, (title, reply) in zip(st.columns(2), sides, strict=True):
        with place, st.container(border=True):
            st.caption(title)
            st.markdown(harmless(reply))
    _buttons(session_id, item)
    if st.session_state.get(_SHOWN, (0, 0.0))[0] != item.id:
        st.session_state[_SHOWN] = (item.id, time.monotonic())


def _prompt(prompt: list[dict[str, str]]) -> None:
    for turn in prompt:
        if turn["role"] == "system":
            st.caption(t("Instruction to the model"))
            st.text(turn["content"])
            continue
        with st.chat_message("user" if turn["role"] == "user" else "assistant"):
            st.markdown(harmless(turn["content"]))


def _buttons(session_id: int, item: BlindItem) -> None:
    choices: list[tuple[Choice, str, str]] = [
        ("left", t("Left is better"), "Left"),
        ("right", t("Right is better"), "Right"),
        ("tie", t("Tie"), "T"),
        ("both_bad", t("Both are bad"), "B"),
    ]
    with st.container(horizontal=True):
        for choice, label, key in choices:
            name = f"blind.vote.{choice}.{item.id}"
            st.button(label, key=name, shortcut=key, on_click=_vote, args=(session_id, item.id, choice))


def _vote(session_id: int, item_id: int, choice: Choice) -> None:
    shown, since = st.session_state.get(_SHOWN, (item_id, 0.0))
    if shown == item_id and time.monotonic() - since < LOOK:
        return
    with errors_shown():
        vote(session_id, item_id, person(), choice)


def _open(session_id: int) -> None:
    st.query_params[ADDRESS] = str(session_id)


def _leave() -> None:
    st.query_params.pop(ADDRESS, None)


def _opened_a_conversation() -> bool:
    """Whether this run of the script is due to a click in the list of conversations."""
    pressed = [str(key) for key, value in st.session_state.items() if value is True]
    return any(key == "chat.new" or key.startswith("chat.open.") for key in pressed)


def _number(words: str) -> int:
    if not words.isascii() or not words.isdigit() or len(words) > 12:
        raise BadInput("There is no blind comparison {session}.", session=words[:20])
    return int(words)
