"""Judgements become a dataset: replies that people found good, and their corrections of those they did not."""

import streamlit as st

from engine.data import registry
from engine.data.records import Conversation
from engine.feedback.export import to_sft
from engine.feedback.store import FeedbackFilter, find
from pages.shared import frame
from pages.shared.drafts import Form
from pages.shared.i18n import t


def from_feedback() -> None:
    """The tab."""
    everything = find()
    if not everything:
        st.info(
            t("Nobody has judged a reply yet: chat, and say which replies are good."), icon=":material/thumbs_up_down:"
        )
        if st.button(t("Go to Chat"), icon=":material/forum:", key="datasets.judged.chat"):
            st.switch_page("pages/chat/chat.py")
        return
    form = Form("datasets.judged", {"annotator": None, "name": ""})
    left, right = st.columns(2)
    annotator = left.selectbox(
        t("Judged by"),
        sorted({row.annotator for row in everything}),
        index=None,
        placeholder=t("everybody"),
        key=form.key("annotator"),
    )
    name = right.text_input(t("Name of the dataset"), key=form.key("name"), placeholder="feedback", max_chars=80)
    form.save()
    judgements = find(FeedbackFilter(annotator=annotator)) if annotator else everything
    rows = to_sft(judgements)
    st.markdown(t("Judgements: {judgements}. Rows they give: **{rows}**.", rows=len(rows), judgements=len(judgements)))
    st.caption(
        t(
            "A good reply is taken as it is, a corrected one with its correction, a comparison by its winner; "
            "what anybody found bad is left out."
        )
    )
    if rows:
        st.dataframe(
            {
                t("Asked"): [row["messages"][-2]["content"] for row in rows[:50]],
                t("To be learnt"): [row["messages"][-1]["content"] for row in rows[:50]],
            },
            hide_index=True,
            height=200,
            key="datasets.judged.rows",
        )
    if st.button(t("Make the dataset"), type="primary", disabled=not rows, key="datasets.judged.make"):
        with frame.errors_shown():
            source = {"feedback": len(judgements), "annotator": annotator}
            card = registry.create(name.strip() or "feedback", map(Conversation.model_validate, rows), [source])
            st.session_state["datasets.open"] = card.name
            form.clear()
            st.rerun()
