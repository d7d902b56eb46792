"""What a merge made: how far it is from the adapters together, over all and layer by layer."""

import altair as alt
import streamlit as st

from engine.adapters.merging.measure import LayerError
from engine.adapters.merging.merge import Merged
from pages.shared.i18n import t
from pages.shared.run_charts import COLORS

_MOST_BARS = 24
"""Layers in the chart: those that lose most."""


def show_result(merged: Merged) -> None:
    """Figures, what to expect of the method, and the layers."""
    largest = max((layer.largest for layer in merged.layers), default=0.0)
    figures = {
        t("Largest error"): (f"{merged.max_error:.2g}", t("of weights of up to {largest}", largest=f"{largest:.2g}")),
        t("Energy kept"): (_percent(merged.energy), t("of what the adapters do together")),
        t("Rank"): (str(merged.adapter.rank), t("mostly; layers may differ")),
    }
    with st.container(horizontal=True, gap="large"):
        for label, (value, about) in figures.items():
            with st.container(width="content", gap=None):
                st.metric(label, value, width="content")
                st.caption(about)
    if merged.exact:
        st.success(t("It does what the adapters do together, but for rounding."), icon=":material/check:")
    else:
        st.info(f"{t(merged.note)} {t('How much that changes, the figures say.')}", icon=":material/info:")
    _chart(merged.layers)
    with st.expander(t("Every layer ({n})", n=len(merged.layers)), icon=":material/table_rows:"):
        _table(merged.layers)


def _percent(share: float) -> str:
    """Never rounded up to all where something is lost."""
    return "100 %" if share >= 1 - 1e-9 else f"{min(share, 0.9999):.2%}".replace("%", " %")


def _chart(layers: list[LayerError]) -> None:
    """The share of its energy that each layer loses; nothing where none loses any."""
    losing = [layer for layer in layers if 1 - layer.energy > 1e-9]
    if not losing:
        return
    worst = sorted(losing, key=lambda layer: layer.energy)[:_MOST_BARS]
    st.markdown(f"**{t('Energy lost, by layer')}**")
    if len(worst) < len(losing):
        st.caption(t("The {n} layers that lose most, of {all}.", n=len(worst), all=len(losing)))
    rows = [{"layer": layer.layer, "lost": 1 - layer.energy, "error": layer.max_error} for layer in worst]
    chart = (
        alt.Chart(alt.Data(values=rows), height=alt.Step(18))
        .mark_bar(color=COLORS[0])
        .encode(
            x=alt.X("lost:Q", title=None, axis=alt.Axis(format="%")),
            y=alt.Y("layer:N", sort=None, title=None, axis=alt.Axis(labelLimit=320)),
            tooltip=[
                alt.Tooltip("layer:N", title=t("Layer")),
                alt.Tooltip("lost:Q", title=t("Energy lost"), format=".2%"),
                alt.Tooltip("error:Q", title=t("Largest error"), format=".2g"),
            ],
        )
    )
    st.altair_chart(chart, alt=t("Energy lost, by layer"))


def _table(layers: list[LayerError]) -> None:
    import pyarrow as pa

    ordered = sorted(layers, key=lambda layer: (layer.energy, layer.layer))
    columns = {
        t("Layer"): [layer.layer for layer in ordered],
        t("Rank"): [layer.rank for layer in ordered],
        t("Largest error"): [f"{layer.max_error:.2g}" for layer in ordered],
        t("Largest weight"): [f"{layer.largest:.2g}" for layer in ordered],
        t("Energy kept"): [_percent(layer.energy) for layer in ordered],
    }
    st.dataframe(pa.table(columns), hide_index=True)
