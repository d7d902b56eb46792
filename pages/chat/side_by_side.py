"""Two replies to one question, and the vote on them. In blind mode nothing tells them apart until the vote."""

import streamlit as st

from engine.chat import conversations, judgements
from engine.chat.conversations import Message
from engine.feedback.schema import Winner
from pages.chat.messages import described, reply_text, speaker_name
from pages.shared.frame import errors_shown, person
from pages.shared.i18n import t
from pages.shared.text import harmless


def pair_of(message: Message) -> tuple[Message, Message] | None:
    """The two replies of the comparison a message belongs to, as (a, b); None if it belongs to none."""
    pair = message.meta.get("pair")
    if pair is None or message.parent_id is None:
        return None
    sides = {
        reply.meta["side"]: reply
        for reply in conversations.children(person(), message.parent_id)
        if reply.meta.get("pair") == pair
    }
    return (sides["a"], sides["b"]) if len(sides) == 2 else None


def pair_messages(line: list[Message], a: Message, b: Message) -> None:
    """Both replies and the vote; on the left is whichever the shuffle put there."""
    winner: Winner | None = a.meta.get("winner")
    hidden = a.meta.get("blind", False) and winner is None
    left_is_a = a.meta.get("left", "a") == "a"
    for place, reply, letter in zip(st.columns(2), (a, b) if left_is_a else (b, a), "AB", strict=True):
        with place, st.container(border=True):
            st.markdown(f"**{letter}**" if hidden else f"**{letter}** · {harmless(speaker_name(reply.meta))}")
            reply_text(reply)
            if not hidden:
                st.caption(described(reply, name=False))
    if winner:
        st.caption(f":material/check: {_outcome(winner, left_is_a)}")
    elif a.content.strip() and b.content.strip():
        _vote_buttons(line, a, b, left_is_a)


def _vote_buttons(line: list[Message], a: Message, b: Message, left_is_a: bool) -> None:
    left: Winner = "a" if left_is_a else "b"
    right: Winner = "b" if left_is_a else "a"
    choices: list[tuple[str, Winner]] = [
        (t("A is better"), left),
        (t("B is better"), right),
        (t("Tie"), "tie"),
        (t("Both are bad"), "both_bad"),
    ]
    with st.container(horizontal=True):
        for label, winner in choices:
            st.button(label, key=f"vote.{label}.{a.id}", on_click=_vote, args=(line, a, b, winner, left))


def _vote(line: list[Message], a: Message, b: Message, winner: Winner, left: Winner) -> None:
    with errors_shown():
        judgements.vote(person(), line, a, b, winner, "a" if left == "a" else "b")


def _outcome(winner: Winner, left_is_a: bool) -> str:
    if winner == "tie":
        return t("You called it a tie. Saved, thank you")
    if winner == "both_bad":
        return t("You found both bad. Saved, thank you")
    letter = "A" if (winner == "a") == left_is_a else "B"
    return t("You chose {letter}. Saved, thank you", letter=letter)
