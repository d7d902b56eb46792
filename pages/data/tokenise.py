"""A dataset made ready for one model: what to choose, a run that does it, and what came of it before."""

from typing import Any

import streamlit as st

from engine.data.prepared import LENGTH_STEP, Options, Prepared, list_prepared
from engine.data.registry import Card
from engine.data.specs import PrepareSpec
from engine.training.estimate import estimate
from pages.data import at_work
from pages.data.preview import model_names
from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.labels import duration, literal
from pages.shared.run_charts import COLORS


def tokenise_tab(card: Card) -> None:
    """The tab, for conversations."""
    key = f"datasets.tokenise.{card.name}"
    st.caption(t("A training does this by itself; here you see what would be cut or left out before you start one."))
    with st.grid(3, min_column_width=180):
        model = st.selectbox(t("Model"), model_names(), key=f"{key}.model")
        chosen = _options(key)
    if st.button(t("Tokenise"), type="primary", icon=":material/data_object:", key=f"{key}.start"):
        with frame.errors_shown():
            at_work.begin(PrepareSpec(dataset=card.name, model=model, options=Options(**chosen)))
            st.rerun()
    made = list_prepared(card.name)
    if made:
        st.subheader(t("Tokenised so far"), anchor=False)
    for number, prepared in enumerate(made):
        label = t(
            "{model}, version {n}: {rows} rows",
            model=literal(prepared.model),
            n=prepared.version,
            rows=f"{prepared.rows_kept:,}",
        )
        name = f"{key}.made.{prepared.path.name}"
        with st.expander(label, expanded=number == 0, key=name, on_change="rerun") as box:
            if box.open:
                _made(prepared, name)


def _options(key: str) -> dict[str, Any]:
    """The form: a value for each field of `Options`."""
    cut = {"skip": t("leave out"), "truncate": t("cut at the end")}
    repeated = {"none": t("keep"), "exact": t("leave out equal ones"), "near": t("leave out near ones too")}
    leaks = {"ignore": t("keep"), "drop": t("leave out")}
    chosen: dict[str, Any] = {
        "max_length": _number(key, "max_length", t("Max length"), 1, 1_000_000),
        "overlength": _choice(key, "overlength", t("Longer conversations"), cut),
        "min_length": _number(key, "min_length", t("Least length"), 0, 1_000_000),
        "dedup": _choice(key, "dedup", t("Repeated rows"), repeated),
        "split": st.number_input(
            t("Evaluation share"), 0.0, 0.9, _default("split"), 0.01, key=f"{key}.split", help=_help("split")
        ),
        "leakage": _choice(key, "leakage", t("Kept aside, but nearly a training row"), leaks),
    }
    if chosen["dedup"] == "near" or chosen["leakage"] == "drop":
        chosen["similarity"] = st.slider(
            t("Likeness"), 0.5, 1.0, _default("similarity"), 0.05, key=f"{key}.similarity", help=_help("similarity")
        )
    chosen["completion_only"] = st.toggle(
        t("Learn the replies only"), True, key=f"{key}.completion_only", help=_help("completion_only")
    )
    with st.expander(t("More settings")):
        chosen["seed"] = _number(key, "seed", t("Seed"), 0, 2**31 - 1)
    return chosen


def _number(key: str, field: str, label: str, least: int, most: int) -> int:
    return st.number_input(label, least, most, _default(field), key=f"{key}.{field}", help=_help(field))


def _choice(key: str, field: str, label: str, names: dict[str, str]) -> str:
    return st.selectbox(label, list(names), format_func=names.__getitem__, key=f"{key}.{field}", help=_help(field))


def _default(field: str) -> Any:
    return Options.model_fields[field].default


def _help(field: str) -> str:
    return t(Options.model_fields[field].description or "")


def _made(prepared: Prepared, key: str) -> None:
    numbers = {
        t("Rows to train on"): f"{prepared.train_rows:,}",
        t("Kept aside"): f"{prepared.eval_rows:,}",
        t("Tokens"): f"{prepared.tokens:,}",
        t("of these trained"): f"{prepared.trained_tokens:,}",
        t("Rows cut"): f"{prepared.truncated / max(1, prepared.rows_kept):.1%}",
    }
    with st.grid(5, min_column_width=100):
        for label, value in numbers.items():
            st.metric(label, value)
    if prepared.dropped:
        st.dataframe(
            {
                t("Left out because"): [t(reason) for reason in prepared.dropped],
                t("Rows"): [f"{n:,}" for n in prepared.dropped.values()],
                t("For example rows"): [
                    ", ".join(map(str, prepared.examples.get(reason, []))) for reason in prepared.dropped
                ],
            },
            hide_index=True,
            key=f"{key}.dropped",
        )
    _lengths(prepared)
    _steps(prepared, key)


def _lengths(prepared: Prepared) -> None:
    """The histogram, with the greatest length as a line."""
    import altair as alt

    ends = [LENGTH_STEP * (bar + 1) for bar in range(len(prepared.lengths))]
    bars = [{"from": end - LENGTH_STEP, "to": end, "rows": n} for end, n in zip(ends, prepared.lengths, strict=True)]
    histogram = (
        alt.Chart(alt.Data(values=bars))
        .mark_bar(color=COLORS[0])
        .encode(
            x=alt.X("from:Q", bin="binned", title=t("tokens in a row"), axis=alt.Axis(format="d")),
            x2="to:Q",
            y=alt.Y("rows:Q", title=t("rows"), axis=alt.Axis(tickMinStep=1)),
            tooltip=[
                alt.Tooltip("to:Q", title=t("tokens, at most")),
                alt.Tooltip("rows:Q", title=t("rows")),
            ],
        )
    )
    if prepared.options.max_length <= ends[-1]:
        limit = alt.Chart(alt.Data(values=[{"limit": prepared.options.max_length}]))
        histogram += limit.mark_rule(strokeDash=[4, 4], size=2, color=COLORS[1]).encode(x="limit:Q")
    st.altair_chart(histogram.properties(height=220))
    st.caption(t("Lengths of all rows; the dashed line, where there is one, is the max length chosen."))


def _steps(prepared: Prepared, key: str) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        batch = st.number_input(t("Batch size"), 1, 4096, 4, key=f"{key}.batch", width=140)
        epochs = st.number_input(t("Epochs"), 1, 100, 3, key=f"{key}.epochs", width=140)
        expected = estimate(prepared, batch, epochs=epochs)
        st.metric(t("Steps of a training"), f"{expected.steps:,}", width="content")
        if expected.seconds is not None:
            st.metric(t("Time, as fast as the last one here"), duration(expected.seconds), width="content")
