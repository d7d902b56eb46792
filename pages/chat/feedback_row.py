"""One judgement: the whole conversation, what was said about it, and changing or deleting it.

The address names it (`?row=12`), so that it can be found again from a dataset or by a colleague.
"""

from typing import Any

import streamlit as st

from engine.errors import BadInput
from engine.feedback import store
from engine.feedback.schema import Feedback
from pages.chat.feedback_labels import badges, origin, outcomes, side_title, tag_name
from pages.shared import frame
from pages.shared.drafts import Form
from pages.shared.feedback_bar import TAGS
from pages.shared.i18n import t
from pages.shared.labels import literal
from pages.shared.text import harmless

ADDRESS = "row"
_BEGAN = "began"


def open_row(row_id: int) -> None:
    """Show a judgement from the next run on; for a button's callback."""
    st.query_params[ADDRESS] = str(row_id)


def show() -> None:
    """The judgement that the address names."""
    st.button(t("All judgements"), type="tertiary", icon=":material/arrow_back:", key="feedback.back", on_click=_close)
    with frame.errors_shown():
        row = store.get(_number(st.query_params[ADDRESS]))
        st.title(t("Judgement {number}", number=row.id))
        st.markdown(badges(row))
        st.caption(origin(row))
        # two replies side by side need the whole width
        reading, editing = (st.container(), st.container()) if row.reply_b else st.columns([3, 2], gap="large")
        with reading:
            _conversation(row)
            _replies(row)
            _made_by(row)
            if row.conversation_id and row.annotator == frame.person():
                st.page_link(
                    "pages/chat/chat.py",
                    label=t("Open the conversation"),
                    icon=":material/forum:",
                    query_params={"c": str(row.conversation_id)},
                )
        with editing:
            _edit(row)


def _conversation(row: Feedback) -> None:
    *earlier, last = row.prompt
    if earlier:
        with st.expander(t("What was said before"), icon=":material/history:"):
            for turn in earlier:
                _turn(turn.role, turn.content)
    _turn(last.role, last.content)


def _turn(role: str, content: str) -> None:
    if role == "system":
        st.caption(t("Instruction to the model"))
        st.text(content)
        return
    with st.chat_message(role, avatar=f":material/{'person' if role == 'user' else 'smart_toy'}:"):
        st.markdown(harmless(content))


def _replies(row: Feedback) -> None:
    if row.reply_b is None:
        _turn("assistant", row.reply)
        return
    for column, side, reply in zip(st.columns(2), "ab", (row.reply, row.reply_b), strict=True):
        with column, st.container(border=True):
            side_title(row, side)
            st.markdown(harmless(reply))
            if row.left_side == side:
                st.caption(t("Was shown on the left"))


def _made_by(row: Feedback) -> None:
    with st.expander(t("How this was made"), icon=":material/tune:"):
        a = {"model": row.model, "adapter": row.adapter, "fingerprint": row.adapter_fingerprint, **row.sampling}
        b = {"model": row.model_b, "adapter": row.adapter_b, "fingerprint": row.adapter_fingerprint_b}
        st.json({"A": a, "B": {**b, **(row.sampling_b or {})}} if row.reply_b else a)


def _edit(row: Feedback) -> None:
    st.subheader(t("Change it"), anchor=False)
    form = _form(row)
    _fields(row, form)
    changes = _changes(form)
    if form.values()[_BEGAN] != _given(row):
        st.warning(t("Somebody changed this judgement after you began. Saving changes only what you changed."))
    if changes or f"{form.name}:saved" in st.session_state:
        form.save()
    with st.container(horizontal=True):
        st.button(
            t("Save"), type="primary", disabled=not changes, key="feedback.save", on_click=_save, args=(row.id, form)
        )
        if changes:
            st.button(t("Discard changes"), type="tertiary", key="feedback.discard", on_click=form.clear)
        if st.button(t("Delete"), icon=":material/delete:", key="feedback.delete"):
            st.dialog(t("Delete this judgement?"))(_confirm)(row)


def _form(row: Feedback) -> Form:
    """The fields, and beside them what they held when the person began: only what differs from that is saved."""
    given = _given(row)
    start = {**given, _BEGAN: given}
    form = Form(f"feedback.edit.{row.id}", start)
    if form.values()[_BEGAN] != given and not _changes(form):  # changed by somebody else, and nothing is typed here
        st.session_state.update({form.key(field): value for field, value in start.items()})
    return form


def _fields(row: Feedback, form: Form) -> None:
    if row.kind == "comparison":
        st.segmented_control(
            t("Which reply is better"),
            ["a", "b", "tie", "both_bad"],
            format_func=outcomes().__getitem__,
            key=form.key("winner"),
        )
    st.segmented_control(
        t("Verdict on A") if row.reply_b else t("Verdict"),
        ["good", "bad"],
        format_func={"good": t("Good"), "bad": t("Bad")}.__getitem__,
        key=form.key("verdict"),
        help=t("Choose it again to take it back."),
    )
    st.caption(t("Stars for A") if row.reply_b else t("Stars"))
    st.feedback("stars", key=form.key("rating"))
    st.text_area(
        t("Correction"),
        key=form.key("correction"),
        height=140,
        help=t("The reply as it should have been: it becomes training data, preferred to what it corrects."),
    )
    st.multiselect(
        t("Tags"),
        list(dict.fromkeys([*TAGS, *row.tags])),
        key=form.key("tags"),
        accept_new_options=True,
        format_func=tag_name,
        placeholder=t("Type a word and press Enter"),
    )
    st.text_area(t("Comment"), key=form.key("comment"), height=80)


def _given(row: Feedback) -> dict[str, Any]:
    return {
        "winner": row.winner,
        "verdict": row.verdict,
        "rating": row.rating and row.rating - 1,  # the widget counts from 0
        "correction": row.correction or "",
        "tags": row.tags,
        "comment": row.comment or "",
    }


def _changes(form: Form) -> dict[str, Any]:
    values = form.values()
    began = values.pop(_BEGAN)
    return {field: value for field, value in values.items() if value != began[field]}


def _save(row_id: int, form: Form) -> None:
    changes = _changes(form)
    if changes.get("rating") is not None:
        changes["rating"] += 1
    with frame.errors_shown():
        store.update(row_id, **changes)
        form.clear()
        st.toast(t("Saved."), icon=":material/check:")


def _confirm(row: Feedback) -> None:
    st.markdown(t("It is **{name}**'s, and cannot be brought back.", name=literal(row.annotator, 60)))
    st.caption(t("Datasets that were made of it stay as they are."))
    if st.button(t("Delete"), type="primary", icon=":material/delete:", key="feedback.delete.confirm"):
        with frame.errors_shown():
            store.delete(row.id)
            _close()
            st.rerun()


def _close() -> None:
    st.query_params.pop(ADDRESS, None)


def _number(words: str) -> int:
    if not words.isascii() or not words.isdigit() or len(words) > 12:
        raise BadInput("There is no feedback number {feedback}.", feedback=words[:20])
    return int(words)
