"""The settings of a knowledge base: what it is called, when it answers, how it searches; and its deletion."""

from pathlib import Path
from typing import Any

import streamlit as st

from engine.knowledge import bases, documents, embedding
from engine.knowledge.bases import Base
from engine.knowledge.specs import ReindexSpec
from engine.knowledge.splitting import Splitter
from pages.chat import knowledge_at_work as at_work
from pages.shared import frame
from pages.shared.drafts import Form
from pages.shared.i18n import t
from pages.shared.labels import literal


def settings_tab(base: Base) -> None:
    """The tab."""
    _about(base)
    st.divider()
    _search(base)
    st.divider()
    st.markdown(f"**{t('Delete')}**")
    st.caption(t("Its documents and their index go; nothing of them is left. Conversations stay as they are."))
    if st.button(t("Delete this knowledge base"), icon=":material/delete:", key="knowledge.base.delete"):
        st.dialog(t("Delete this knowledge base?"), width="small")(_confirm_delete)(base)


def _about(base: Base) -> None:
    """What is changed without touching the passages."""
    form = Form(
        f"knowledge.settings.{base.id}",
        {
            "name": base.name,
            "description": base.description,
            "own_threshold": base.threshold is not None,
            "threshold": round(base.effective_threshold, 3),
            "no_answer": base.no_answer,
            "reranker": base.reranker or "",
        },
    )
    left, right = st.columns(2)
    left.text_input(t("Name"), key=form.key("name"), max_chars=80)
    right.text_input(t("Description"), key=form.key("description"), max_chars=300)
    with left:
        _threshold(base, form)
    with right:
        st.text_input(
            t("What it says when it has no answer"),
            key=form.key("no_answer"),
            max_chars=300,
            placeholder=t("No answer found in the local knowledge base"),
            help=t("Empty says it in the language of the question. No model is asked then."),
        )
        st.text_input(
            t("Reranker"),
            key=form.key("reranker"),
            placeholder=t("none"),
            help=t(
                "A cross-encoder of sentence-transformers (a folder or a hub id) that reads each found passage beside the "
                "question and orders them anew: better order, and seconds more for each question on a CPU. Empty is fast."
            ),
        )
    form.save()
    if st.button(t("Save"), type="primary", icon=":material/save:", key="knowledge.settings.save"):
        with frame.errors_shown():
            bases.change(base.id, **_asked(form.values()))
            form.clear()
            st.toast(t("Saved"), icon=":material/check:")
            st.rerun()


def _threshold(base: Base, form: Form) -> None:
    own = st.toggle(
        t("A threshold of its own"),
        key=form.key("own_threshold"),
        help=t(
            "Off takes the embedding model's: {threshold}. The tab Check finds one that suits your documents.",
            threshold=f"{base.default_threshold:.2f}",
        ),
    )
    st.slider(
        t("Threshold"),
        0.0,
        1.0,
        step=0.005,
        format="%.3f",
        key=form.key("threshold"),
        disabled=not own,
        help=t(
            "The least score of a passage that may answer. Higher: fewer wrong answers, and more questions that are refused "
            "although the answer is there. Lower: fewer refusals, and more answers from passages that do not fit."
        ),
    )


def _asked(values: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": values["name"],
        "description": values["description"].strip(),
        "threshold": values["threshold"] if values["own_threshold"] else None,
        "no_answer": values["no_answer"].strip(),
        "reranker": values["reranker"].strip() or None,
    }


def _search(base: Base) -> None:
    """What is changed by indexing all documents anew."""
    st.markdown(f"**{t('How documents are split and found')}**")
    form = Form(
        f"knowledge.index.{base.id}",
        {"embedding": base.embedding or "", "size": base.splitter.size, "overlap": base.splitter.overlap},
    )
    left, right = st.columns(2)
    with left:
        chosen = _embedding(base, form)
    with right:
        sizes = st.columns(2)
        sizes[0].number_input(
            t("Longest passage, in characters"),
            50,
            8000,
            step=50,
            key=form.key("size"),
            help=t(
                "Longer: more context in each citation, and less precise search. Shorter: precise, and answers may lack context."
            ),
        )
        sizes[1].number_input(
            t("Overlap, in characters"),
            0,
            3999,
            step=10,
            key=form.key("overlap"),
            help=t(
                "Higher: fewer sentences are torn apart at a passage's end, and the index grows. 0 repeats nothing."
            ),
        )
    form.save()
    _warn_language(base, chosen)
    values = form.values()
    changed = (values["embedding"] or base.embedding) != base.embedding or _splitter_changed(base, values)
    if base.passages and changed:
        st.caption(t("All documents are indexed anew in the background; until then, answers come from the old index."))
    if st.button(
        t("Index anew") if base.passages else t("Use these"),
        icon=":material/refresh:",
        disabled=at_work.is_busy(base),
        key="knowledge.reindex",
    ):
        with frame.errors_shown():
            if _fine(values, changed):
                splitter = Splitter(size=values["size"], overlap=values["overlap"])
                at_work.begin(
                    ReindexSpec(base=base.id, embedding=values["embedding"].strip() or None, splitter=splitter)
                )
                form.clear()
                st.rerun()


def _embedding(base: Base, form: Form) -> str:
    known = ["", *embedding.EMBEDDINGS] if base.embedding is None else list(embedding.EMBEDDINGS)
    chosen = form.values()["embedding"]
    options = [*known, *([] if chosen in known else [chosen])]
    return st.selectbox(
        t("Embedding model"),
        options,
        key=form.key("embedding"),
        format_func=_embedding_name,
        accept_new_options=True,
        help=t(
            "Finds passages by their meaning. MiniLM knows English alone; E5 knows Chinese and ninety other languages. Any "
            "model of sentence-transformers can be typed here: a folder, or an id on the hub."
        ),
    )


def _embedding_name(name: str) -> str:
    names = {
        "": t("Told by the first document"),
        "minilm": t("MiniLM (English)"),
        "e5": t("E5 small (Chinese and others)"),
    }
    return names.get(name) or (Path(name).name if Path(name).is_absolute() else name)


def _warn_language(base: Base, name: str) -> None:
    if not name:
        return
    languages = {document.language for document in documents.list_documents(base.id)} - {"und"}
    languages |= {base.language} - {"auto"}
    if any(not embedding.fits(name, language) for language in languages):
        st.warning(
            t(
                "This model does not know the language of some of these documents: it will often miss what is asked. Choose E5."
            ),
            icon=":material/translate:",
        )


def _splitter_changed(base: Base, values: dict[str, Any]) -> bool:
    return (values["size"], values["overlap"]) != (base.splitter.size, base.splitter.overlap)


def _fine(values: dict[str, Any], changed: bool) -> bool:
    """Whether there is something to be done; says why if not."""
    if values["overlap"] * 2 >= values["size"]:
        st.warning(t("The overlap must be less than half of the longest passage."), icon=":material/warning:")
        return False
    if not changed:
        st.warning(t("Nothing has changed yet."))
    return changed


def _confirm_delete(base: Base) -> None:
    st.markdown(
        t(
            "“{name}” goes with all that is in it: {documents} documents, {passages} passages. It cannot be brought back.",
            name=literal(base.name),
            documents=f"{base.documents:,}",
            passages=f"{base.passages:,}",
        )
    )
    with st.container(horizontal=True):
        if st.button(t("Delete for good"), type="primary", icon=":material/delete:", key="knowledge.base.delete.yes"):
            with frame.errors_shown(), st.spinner(t("Deleting …")):
                at_work.forget_base(base)
                bases.delete(base.id)
                for field in ("base", "c"):
                    st.query_params.pop(field, None)
                st.rerun()
        if st.button(t("Keep it"), key="knowledge.base.delete.no"):
            st.rerun()
