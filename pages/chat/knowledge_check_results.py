"""What evaluations of a knowledge base found: the figures of one, its refusal curve, a threshold from it, and all of them compared."""

import altair as alt
import streamlit as st

from engine.knowledge import bases, evaluation
from engine.knowledge.bases import Base
from engine.knowledge.evaluation import Evaluation
from engine.knowledge.metrics import share_below
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.labels import literal, when
from pages.shared.run_charts import COLORS


def results(base: Base, kept: list[Evaluation]) -> None:
    """Nothing if there are none."""
    if not kept:
        return
    shown = _choose(base, kept)
    _figures(shown)
    _curve(base, shown)
    _calibrate(base, shown)
    _misses(shown)
    if len(kept) > 1:
        _compared(kept)


def _choose(base: Base, kept: list[Evaluation]) -> Evaluation:
    by_id = {each.id: each for each in kept}
    key = f"knowledge.check.shown.{base.id}"
    if st.session_state.get(key) not in by_id:
        st.session_state[key] = kept[0].id
    chosen = st.selectbox(
        t("Result"),
        list(by_id),
        key=key,
        format_func=lambda each: f"{when(by_id[each].created)} · {_source(by_id[each])}",
    )
    return by_id[chosen]


def _source(each: Evaluation) -> str:
    words = t("drawn questions") if each.source in ("", "drawn") else each.source
    return f"{words} ({each.questions:,})"


def _figures(shown: Evaluation) -> None:
    fused = shown.fused
    numbers = {
        t("Right passage first"): (
            fused and fused.recall_1,
            t("Recall@1: share of the questions whose right passage comes first."),
        ),
        t("Among the first 5"): (fused and fused.recall_5, t("Recall@5: about as many passages as an answer reads.")),
        t("Among the first 10"): (fused and fused.recall_10, t("Recall@10.")),
        t("nDCG@10"): (
            fused and fused.ndcg_10,
            t("1 if the right passage always comes first; less the lower it stands."),
        ),
        t("Tells what is absent"): (
            shown.auroc,
            t("AUROC: how often a question with an answer scores higher than one without. 50 % would be chance."),
        ),
        t("Refused at 5 %"): (
            shown.refused_at_5pct_false,
            t("Share of the questions without an answer that are refused when 5 % of the others are."),
        ),
    }
    with st.grid(3, min_column_width=150):
        for label, (value, hint) in numbers.items():
            st.metric(label, "–" if value is None else f"{value:.1%}", help=hint)
    facts = [
        t("{n} questions, {m} of them with an answer", n=f"{shown.questions:,}", m=f"{shown.answerable:,}"),
        t("{n} passages", n=f"{shown.passages:,}"),
        literal(str(shown.embedding or "–")),
    ]
    if shown.lexical and shown.dense:
        facts.append(
            t(
                "nDCG@10 by words alone {words}, by meaning alone {meaning}",
                words=f"{shown.lexical.ndcg_10:.1%}",
                meaning=f"{shown.dense.ndcg_10:.1%}",
            )
        )
    st.caption(" · ".join(facts))


def _curve(base: Base, shown: Evaluation) -> None:
    if not shown.curve:
        return
    st.markdown(f"**{t('What each threshold would refuse')}**")
    absent, present = t("questions without an answer"), t("questions with an answer")
    rows = [
        row
        for point in shown.curve
        for row in (
            {"threshold": point.threshold, "share": point.refused, "series": absent},
            {"threshold": point.threshold, "share": point.false_refusals, "series": present},
        )
    ]
    lines = (
        alt.Chart(alt.Data(values=rows), height=220)
        .mark_line(strokeWidth=2, interpolate="step-before")
        .encode(
            x=alt.X("threshold:Q", title=t("Threshold"), axis=alt.Axis(format=".2f")),
            y=alt.Y("share:Q", title=t("refused"), axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1])),
            color=alt.Color(
                "series:N",
                scale=alt.Scale(domain=[absent, present], range=[COLORS[0], COLORS[3]]),
                legend=alt.Legend(title=None, orient="bottom", labelLimit=260),
            ),
            tooltip=[
                alt.Tooltip("series:N", title=t("curve")),
                alt.Tooltip("threshold:Q", title=t("Threshold"), format=".3f"),
                alt.Tooltip("share:Q", title=t("refused"), format=".1%"),
            ],
        )
    )
    now = (
        alt.Chart(alt.Data(values=[{"threshold": base.effective_threshold}]))
        .mark_rule(strokeDash=[4, 3], color="#888888", size=1.5)
        .encode(x="threshold:Q")
    )
    st.altair_chart(lines + now, alt=t("Shares of questions that each threshold refuses"))
    st.caption(
        t(
            "The dashed line is the threshold now: {threshold}. Good is: green high, red low.",
            threshold=f"{base.effective_threshold:.3f}",
        )
    )


def _calibrate(base: Base, shown: Evaluation) -> None:
    if not shown.answerable:
        return
    with st.container(border=True, key="knowledge.calibrate"):
        st.markdown(f"**{t('Calibrate the threshold')}**")
        wanted = st.slider(
            t("False refusals that are acceptable, in %"),
            0,
            50,
            5,
            key=f"knowledge.check.wanted.{base.id}",
            help=t(
                "How many of the questions that have an answer may be refused. Higher: more of what is absent is refused "
                "too. Lower: fewer right questions are turned away, and more wrong ones are answered."
            ),
        )
        with frame.errors_shown():
            threshold = evaluation.calibrate(shown, wanted / 100)
            absent = share_below([each.score for each in shown.outcomes if not each.answerable], threshold)
            words = [t("Threshold {threshold}", threshold=f"{threshold:.3f}")]
            if absent is not None:
                words.append(t("refuses {share} of the questions without an answer", share=f"{absent:.0%}"))
            st.markdown(" · ".join(words))
            if st.button(t("Use this threshold"), icon=":material/tune:", key="knowledge.check.use"):
                bases.change(base.id, threshold=threshold)
                st.toast(t("Saved"), icon=":material/check:")
                st.rerun()


def _misses(shown: Evaluation) -> None:
    """Questions whose right passage does not come first, the worst on top."""
    missed = [each for each in shown.outcomes if each.answerable and each.rank != 1]
    if not missed:
        return
    missed.sort(key=lambda each: each.rank or 10**6, reverse=True)
    title = t("Questions whose right passage is not first ({n})", n=len(missed))
    with st.expander(title, icon=":material/troubleshoot:", key=f"knowledge.check.misses.{shown.id}"):
        st.dataframe(
            {
                t("Question"): [each.question for each in missed],
                t("Right"): [", ".join(each.right) for each in missed],
                t("Its rank"): [each.rank for each in missed],
                t("By words"): [each.lexical_rank for each in missed],
                t("By meaning"): [each.dense_rank for each in missed],
                t("First instead"): [each.first or "–" for each in missed],
                t("Score"): [round(each.score, 3) for each in missed],
            },
            hide_index=True,
            key=f"knowledge.check.missed.{shown.id}",
        )


def _compared(kept: list[Evaluation]) -> None:
    """All results, so that a change of the base can be judged."""
    st.markdown(f"**{t('All results')}**")
    percent = st.column_config.NumberColumn(format="percent")
    ndcg, first_five = t("nDCG@10"), t("Among the first 5")
    absent, refused = t("Tells what is absent"), t("Refused at 5 %")
    st.dataframe(
        {
            t("When"): [when(each.created) for each in kept],
            t("Questions"): [_source(each) for each in kept],
            t("Documents"): [each.documents for each in kept],
            t("Passages"): [each.passages for each in kept],
            t("Embedding model"): [str(each.embedding or "–") for each in kept],
            t("Passage size"): [f"{each.size} / {each.overlap}" for each in kept],
            ndcg: [each.fused and each.fused.ndcg_10 for each in kept],
            first_five: [each.fused and each.fused.recall_5 for each in kept],
            absent: [each.auroc for each in kept],
            refused: [each.refused_at_5pct_false for each in kept],
        },
        hide_index=True,
        column_config=dict.fromkeys((ndcg, first_five, absent, refused), percent),
        key="knowledge.check.all",
    )
