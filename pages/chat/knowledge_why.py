"""Why an answer stands on these passages, or why there was none: what each arm of the search said of each passage."""

from typing import Any

import streamlit as st

from engine.chat.conversations import Message
from engine.knowledge.answering import Knowledge, hit_of
from engine.knowledge.retrieval import Hit
from pages.chat.knowledge_place import passage_dialog
from pages.shared.i18n import t
from pages.shared.labels import literal
from pages.shared.text import harmless

_SOMETHING = 0.01
"""The least score of a passage that is worth being shown as rejected."""


def why(message: Message, knowledge: Knowledge) -> None:
    """Folded, unless the answer cites nothing: then the passages are all that can be relied on."""
    title = t("Why no passage fits") if knowledge.refused else t("Why these passages")
    uncited = not knowledge.refused and knowledge.checked is not None and not knowledge.checked.citations
    with st.expander(
        title,
        expanded=uncited,
        icon=":material/troubleshoot:",
        type="compact",
        key=f"knowledge.why.{message.id}",
        on_change="rerun",
    ) as box:
        if box.open:
            _explain(message, knowledge)


def _explain(message: Message, knowledge: Knowledge) -> None:
    hits = [hit_of(hit) for hit in knowledge.hits]
    below = [hit for hit in map(hit_of, knowledge.below) if hit.score >= _SOMETHING]
    st.caption(f"{t('Looked up: {question}', question=harmless(knowledge.question))} · {_seconds(knowledge)}")
    threshold = f"{knowledge.threshold:.3f}"
    if hits:
        _table(hits, f"knowledge.hits.{message.id}", first=1)
        _open_buttons(message, hits, first=1)
    elif below:
        best = max(hit.score for hit in below)
        st.markdown(
            t("The best passage scores {best}, and {threshold} is needed.", best=f"{best:.3f}", threshold=threshold)
        )
        st.caption(t("If it does hold the answer, the threshold is too high: see Settings, or calibrate it in Check."))
    else:
        st.markdown(t("No passage has anything in common with the question."))
    if below:
        st.markdown(f"**{t('Not good enough (threshold {threshold})', threshold=threshold)}**")
        _table(below, f"knowledge.below.{message.id}")
        _open_buttons(message, below)


def _table(hits: list[Hit], key: str, first: int | None = None) -> None:
    """One row a passage. Cells are drawn as text, whatever stands in them."""
    columns: dict[str, list[Any]] = {}
    if first is not None:
        columns[t("No.")] = [first + place for place in range(len(hits))]
    columns[t("Document")] = [hit.passage.document_name for hit in hits]
    if len({hit.base for hit in hits}) > 1:
        columns[t("Knowledge base")] = [hit.base_name for hit in hits]
    score, words, meaning, reranked = t("Score"), t("Words"), t("Meaning"), t("Reranked")
    columns[score] = [hit.score for hit in hits]
    columns[words] = [_arm(hit.lexical_rank, hit.lexical) for hit in hits]
    columns[meaning] = [_arm(hit.dense_rank, hit.dense) for hit in hits]
    if any(hit.rerank is not None for hit in hits):
        columns[reranked] = [hit.rerank for hit in hits]
    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    config = {
        score: st.column_config.ProgressColumn(
            format="%.2f",
            min_value=0,
            max_value=1,
            help=t("Both taken together, 0 to 1: this decides the order, and whether there is an answer."),
        ),
        words: text(
            help=t("Its rank among all passages by the question's words (BM25), and how much of them it has, 0 to 1.")
        ),
        meaning: text(help=t("Its rank among all passages by meaning (embedding), and how near it is, 0 to 1.")),
        reranked: number(format="%.2f", help=t("What the cross-encoder says, 0 to 1: it decides the order alone.")),
    }
    st.dataframe(columns, hide_index=True, column_config=config, key=key)


def _arm(rank: int | None, score: float) -> str:
    return f"{'–' if rank is None else f'#{rank}'} · {score:.2f}"


def _open_buttons(message: Message, hits: list[Hit], first: int | None = None) -> None:
    """Each passage can be read in its place, cited or not."""
    with st.container(horizontal=True, gap="xsmall"):
        for place, hit in enumerate(hits):
            passage = hit.passage
            number = f"{first + place} · " if first is not None else ""
            at = t("page {n}", n=passage.page) if passage.page is not None else t("line {n}", n=passage.line)
            label = f"{number}{literal(passage.document_name, 30)} · {at}"
            key = f"knowledge.open.{message.id}.{hit.base}.{passage.id}"
            if st.button(label, key=key, icon=":material/find_in_page:", type="tertiary"):
                passage_dialog(hit.base, passage.id, passage.document_name)


def _seconds(knowledge: Knowledge) -> str:
    return t("{n} ms", n=f"{1000 * knowledge.seconds:.0f}")
