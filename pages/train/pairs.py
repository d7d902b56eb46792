"""The first step of RLHF: judgements become pairs by rules a person chooses, and every pair can be read, fixed or dropped."""

from datetime import datetime
from typing import Any

import streamlit as st

from engine.data import registry
from engine.errors import StudioError
from engine.feedback.schema import Feedback
from engine.feedback.store import find
from engine.feedback.withdrawn import withdrawn
from engine.fields import parse
from engine.preferences.build import Built, build, build_unpaired
from engine.preferences.datasets import keep
from engine.preferences.rules import PairRules
from pages.data.rows import browse
from pages.shared import frame
from pages.shared.drafts import Form
from pages.shared.i18n import t
from pages.shared.text import harmless

PAIRS, THUMBS = "pairs", "thumbs"


def pairs_tab() -> None:
    """The tab."""
    judged = find()
    if not judged:
        _empty()
    else:
        _build(judged)
    _look()


def _empty() -> None:
    with st.container(border=True, key="rlhf.empty"):
        st.markdown(
            t(
                "Nobody has judged a reply yet: chat, correct replies, compare two, and come back. Or import pairs in Datasets."
            )
        )
        with st.container(horizontal=True):
            if st.button(t("Go to Chat"), icon=":material/forum:", key="rlhf.chat"):
                st.switch_page("pages/chat/chat.py")
            if st.button(t("Import pairs"), icon=":material/dataset:", key="rlhf.datasets"):
                st.switch_page("pages/data/datasets.py")


def _build(judged: list[Feedback]) -> None:
    form = Form("rlhf.pairs", {**PairRules().model_dump(), "kind": PAIRS, "name": ""})
    titles = {PAIRS: t("Pairs of replies"), THUMBS: t("Single replies, good or bad")}
    kind = st.segmented_control(
        t("What to build"), list(titles), required=True, format_func=titles.__getitem__, key=form.key("kind")
    )
    _rules(form, str(kind), sorted({row.annotator for row in judged}))
    try:
        rules = parse(PairRules, {name: form.values()[name] for name in PairRules.model_fields})
        newest = max(row.updated for row in judged)
        built = _built(rules, str(kind), len(judged), newest, tuple(sorted(withdrawn())))
    except StudioError as error:
        form.save()
        st.warning(harmless(t(error.sentence, **error.values)), icon=":material/info:")
        return
    _taken(built)
    _keep(form, built, rules, str(kind))


def _rules(form: Form, kind: str, people: list[str]) -> None:
    conflicts = {
        "majority": t("the majority decides"),
        "drop": t("leave both out"),
        "weight": t("the majority, weighed by its lead"),
        "trusted": t("one trusted person decides"),
    }
    sources = {
        "corrections": t("corrections"),
        "votes": t("votes"),
        "kept": t("kept versions"),
        "verdicts": t("good over bad"),
    }

    def named(name: str, **more: Any) -> dict[str, Any]:
        return {"key": form.key(name), "help": t(PairRules.model_fields[name].description or ""), **more}

    with st.container(border=True):
        left, middle, right = st.columns(3)
        disagree = named("conflicts", format_func=conflicts.__getitem__)
        left.selectbox(t("When people disagree"), list(conflicts), **disagree)
        if st.session_state[form.key("conflicts")] == "trusted":
            middle.selectbox(t("Trusted"), people, index=None, **named("trusted"))
        else:
            middle.number_input(t("Least agreement"), 0.0, 1.0, step=0.05, **named("min_agreement"))
        right.number_input(t("Least people"), 1, step=1, **named("min_annotators"))
        if kind == PAIRS:
            st.pills(
                t("Made of"),
                list(sources),
                selection_mode="multi",
                **named("sources", format_func=sources.__getitem__),
            )
        left, right = st.columns(2)
        left.number_input(t("Least length"), 1, step=1, **named("min_length"))
        near = named("near_duplicates", placeholder=t("off"))
        right.number_input(t("Near duplicates from"), 0.5, 1.0, step=0.05, **near)


@st.cache_data(max_entries=8, show_spinner=False)
def _built(rules: PairRules, kind: str, judged: int, newest: datetime, gone: tuple[str, ...]) -> Built:
    """Kept until somebody judges, as every click on the page asks again; the last three only tell whether it is the same."""
    return build_unpaired(rules, find()) if kind == THUMBS else build(rules, find())


def _taken(built: Built) -> None:
    """What each rule takes, and what is left."""
    rows = [(t("found in the feedback"), built.candidates)]
    rows += [(t(rule), -count) for rule, count in built.taken.items() if count]
    rows.append((t("**left to train on**"), len(built.rows)))
    st.table({t("Rule"): [name for name, _ in rows], t("Rows"): [f"{n:,}" for _, n in rows]}, hide_index=True)


def _keep(form: Form, built: Built, rules: PairRules, kind: str) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(t("Name of the dataset"), key=form.key("name"), placeholder=kind, max_chars=80)
        clicked = st.button(
            t("Build"), type="primary", icon=":material/construction:", key="rlhf.build", disabled=not built.rows
        )
    form.save()
    if clicked:
        with frame.errors_shown():
            card = keep(built, name.strip() or kind, rules, frame.person())
            st.session_state["rlhf.look"] = card.name
            st.toast(t("Version {n} of “{name}” holds {rows} rows.", n=card.version, name=card.name, rows=card.rows))
            st.rerun()


def _look() -> None:
    """The rows themselves, to be read, fixed or dropped before anything is trained on them."""
    cards = {card.name: card for card in registry.list_datasets() if card.kind != "messages"}
    if not cards:
        return
    st.subheader(t("Read them before you train"), anchor=False)
    if st.session_state.get("rlhf.look") not in cards:
        st.session_state["rlhf.look"] = next(iter(cards))
    name = st.selectbox(t("Dataset"), list(cards), key="rlhf.look")
    browse(cards[name])
