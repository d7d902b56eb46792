"""A row written by hand: an instruction, perhaps an input, and the reply wanted."""

import streamlit as st

from engine.data import registry
from engine.data.records import Conversation, plain_reason
from engine.errors import BadInput
from pages.shared import frame
from pages.shared.drafts import Form
from pages.shared.i18n import t
from pages.shared.labels import literal

FIELDS = ("instruction", "input", "output")
SENT = "datasets.row:sent"


def by_hand() -> None:
    """The tab."""
    names = [card.name for card in registry.list_datasets() if card.kind == "messages"]
    form = Form("datasets.row", {**dict.fromkeys(FIELDS, ""), "dataset": None})
    if sent := st.session_state.pop(SENT, None):  # the row is on disk: make room for the next
        st.session_state.update({form.key(field): "" for field in FIELDS})
        st.success(t("Added to “{name}”; rows in it now: {rows}.", name=literal(sent.name), rows=sent.rows))
    st.text_area(t("Instruction"), key=form.key("instruction"), placeholder=t("What the person asks for"), height=90)
    st.text_area(
        t("Input (optional)"), key=form.key("input"), placeholder=t("What the instruction is about"), height=68
    )
    st.text_area(t("Output"), key=form.key("output"), placeholder=t("The reply you want"), height=120)
    dataset = st.selectbox(
        t("Dataset"),
        names,
        accept_new_options=True,
        key=form.key("dataset"),
        placeholder=t("Choose one, or type the name of a new one"),
    )
    form.save()
    if st.button(t("Add the row"), type="primary", key="datasets.row.add"):
        with frame.errors_shown():
            st.session_state[SENT] = _add(form, dataset or "")
            st.session_state["datasets.open"] = dataset
            st.rerun(scope="fragment")


def _add(form: Form, dataset: str) -> registry.Card:
    typed = {field: st.session_state[form.key(field)].strip() for field in FIELDS}
    if not dataset:
        raise BadInput("Choose the dataset that the row belongs to, or type the name of a new one.")
    if not typed["instruction"]:
        raise BadInput("Write the instruction: it is what the model will be asked.")
    asked = "\n\n".join(part for part in (typed["instruction"], typed["input"]) if part)
    turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": typed["output"]}]
    source = {"written_by": frame.person()}
    try:
        row = Conversation.model_validate({"messages": turns, "source": source})
    except ValueError as error:
        raise BadInput("The row cannot be used: {reason}.", reason=t(plain_reason(error))) from error
    if any(card.name == dataset for card in registry.list_datasets()):
        return registry.append(dataset, [row], frame.person())
    return registry.create(dataset, [row], [source])
