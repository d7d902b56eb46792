"""What the model is asked about a row: a prompt with the row's cells in it, or a conversation that stands in a column."""

import streamlit as st

from pages.shared.drafts import Form
from pages.shared.i18n import t
from pages.shared.labels import literal

_INSERT = "batch.insert"


def prompt(form: Form, columns: list[str]) -> set[str]:
    """The fields.

    Args:
        form: the form.
        columns: of the chosen file.

    Returns:
        Those that are not drawn.
    """
    ways = {"template": t("A prompt for each row"), "messages": t("Conversations in a column")}
    st.segmented_control(
        t("What the model reads"),
        ways,
        format_func=ways.__getitem__,
        key=form.key("way"),
        required=True,
        label_visibility="collapsed",
    )
    by_template = st.session_state[form.key("way")] == "template"
    if by_template:
        _template(form, columns)
    else:
        column(form, "messages_column", columns, t("Column with conversations"), t("Choose a column"))
        st.caption(t("Each cell holds messages as JSON:"))
        st.code('[{"role": "user", "content": "…"}]', language="json", wrap_lines=True)
    st.text_area(
        t("System prompt"),
        key=form.key("system"),
        height=80,
        placeholder=t("none"),
        help=t("Tells the model who it is and how to answer. Empty uses the model's own."),
    )
    return {"messages_column"} if by_template else {"prompt_template"}


def column(form: Form, field: str, columns: list[str], label: str, none: str, help: str | None = None) -> None:
    """A choice among the file's columns; one that another file had is no longer chosen."""
    if st.session_state[form.key(field)] not in columns:
        st.session_state[form.key(field)] = None
    st.selectbox(label, columns, index=None, key=form.key(field), placeholder=none, help=help)


def _template(form: Form, columns: list[str]) -> None:
    st.pills(
        t("Put a column into the prompt"),
        columns,
        format_func=lambda name: literal(f"{{{name}}}", 40),
        key=_INSERT,
        on_change=_insert,
        args=(form,),
    )
    st.text_area(
        t("Prompt"),
        key=form.key("prompt_template"),
        height=160,
        placeholder=t(
            "Such as: Sum this up in one sentence: {column}", column=f"{{{columns[0] if columns else 'text'}}}"
        ),
        help=t("A column's name in braces stands for the row's cell. For a brace of its own write it twice."),
    )


def _insert(form: Form) -> None:
    name = st.session_state[_INSERT]
    st.session_state[_INSERT] = None
    if name:
        text = st.session_state[form.key("prompt_template")]
        gap = "" if not text or text[-1].isspace() else " "
        st.session_state[form.key("prompt_template")] = f"{text}{gap}{{{name}}}"
