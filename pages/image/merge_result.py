"""What a merge made: how far it is from the adapters together, over all and layer by layer."""

import streamlit as st

from engine.adapters.merging.measure import LayerError
from engine.adapters.merging.merge import Merged
from pages.shared.i18n import t


def show_result(merged: Merged) -> None:
    """Figures, what to expect of the method, and the layers."""
    largest = max((layer.largest for layer in merged.layers), default=0.0)
    figures = {
        t("Largest error"): (f"{merged.max_error:.2g}", t("of weights of up to {largest}", largest=f"{largest:.2g}")),
        t("Energy kept"): (_percent(merged.energy), t("of what the adapters do together")),
        t("Rank"): (str(merged.adapter.rank), t("mostly; layers may differ")),
    }
    with st.container(horizontal=True, gap="medium"):
        for label, (value, about) in figures.items():
            with st.container(width="content", gap=None):
                st.metric(label, value, width="content")
                st.caption(about)
    if merged.exact:
        st.success(t("It does what the adapters do together, but for rounding."), icon=":material/check:")
    else:
        st.info(f"{t(merged.note)} {t('How much that changes, the figures say.')}", icon=":material/info:")
    with st.expander(
        t("Every layer ({n})", n=len(merged.layers)), expanded=not merged.exact, icon=":material/table_rows:"
    ):
        _layers(merged.layers)


def _percent(share: float) -> str:
    """Never rounded up to all where something is lost."""
    return "100 %" if share >= 1 - 1e-9 else f"{min(share, 0.9999):.2%}".replace("%", " %")


def _layers(layers: list[LayerError]) -> None:
    """One row a layer, those that lose most on top."""
    import pyarrow as pa

    ordered = sorted(layers, key=lambda layer: (layer.energy, layer.layer))
    lost = t("Energy lost")
    columns = {
        t("Layer"): [layer.layer for layer in ordered],
        lost: [1 - layer.energy for layer in ordered],
        t("Largest error"): [f"{layer.max_error:.2g}" for layer in ordered],
        t("Largest weight"): [f"{layer.largest:.2g}" for layer in ordered],
        t("Rank"): [layer.rank for layer in ordered],
    }
    bars = {lost: st.column_config.ProgressColumn(lost, format="percent", min_value=0, max_value=1)}
    st.dataframe(pa.table(columns), hide_index=True, column_config=bars, height="auto" if len(ordered) < 12 else 420)
