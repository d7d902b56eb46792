"""How good the replies are: their scores against the column of right answers, and the judge's."""

import streamlit as st

from engine.batch.results import Counts
from engine.batch.spec import BatchSpec
from pages.shared.i18n import t
from pages.shared.labels import literal
from pages.train.evaluation import titles, value


def scores(counts: Counts, spec: BatchSpec) -> None:
    """A figure a line, a column of replies each; the better one in bold."""
    measures = {**titles(), "reward": t("Reward, on average"), "win_rate": t("Wins of the second, %")}
    sides = list(counts.scores)
    names = [name for name in measures if any(name in counts.scores[side] for side in sides)]
    table = {t("Measure"): [measures[name] for name in names]}
    for side in sides:
        other = next((counts.scores[each] for each in sides if each != side), {})
        own = counts.scores[side]
        figures = [value(name, own.get(name), other.get(name)) for name in names]
        table[side_name(spec, side)] = figures if other else [figure.strip("*") for figure in figures]
    st.table(table, hide_index=True)


def side_name(spec: BatchSpec, side: str) -> str:
    """Whose replies a column holds."""
    adapter = spec.sides.get(side)
    if adapter:
        return literal(adapter)
    return t("Base") if len(spec.sides) > 1 else t("Reply")
