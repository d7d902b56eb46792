"""The proof step of RLHF: what a training changed on prompts kept aside, what people say of it, and the promotion."""

from typing import TYPE_CHECKING

import altair as alt
import streamlit as st

from engine.adapters.store import Adapter, list_adapters
from engine.jobs.evaluation import start_win_rate
from engine.runs import find_run
from engine.training.calibration import read_margins, reliability
from engine.training.win_rate_specs import WinRateSpec
from pages.shared import frame
from pages.shared.i18n import t
from pages.train.promotion import promotion_panel
from pages.train.win_rate import win_rate_answers, win_rate_figures

if TYPE_CHECKING:
    from engine.models.reward import RewardModel


def proof_tab() -> None:
    """The tab."""
    adapters = [adapter for adapter in list_adapters() if adapter.card.kind in ("chat", "reward")]
    if not adapters:
        st.info(t("There is no adapter yet: train one in step 2."), icon=":material/info:")
        return
    by_name = {adapter.name: adapter for adapter in adapters}
    asked = st.query_params.get("adapter")
    names = list(by_name)
    start = names.index(asked) if asked in by_name else 0
    name = st.selectbox(t("Adapter"), names, index=start, key="rlhf.proof.adapter")
    adapter = by_name[name]
    if adapter.card.kind == "reward":
        _reward_model(adapter)
    else:
        _policy(adapter)


def _policy(adapter: Adapter) -> None:
    result = adapter.card.metrics.get("win_rate")
    if result:
        win_rate_figures(result)
    else:
        st.caption(t("It was not compared with what was there before yet."))
    _compare_again(adapter)
    promotion_panel(adapter.name)
    if result and (run := find_run(result["run"])):
        win_rate_answers(run)


def _compare_again(adapter: Adapter) -> None:
    """A comparison with another judge or more prompts."""
    with (
        st.expander(t("Compare with what was there before"), icon=":material/compare_arrows:", key="rlhf.compare.open"),
        st.container(horizontal=True, vertical_alignment="bottom"),
    ):
        judges = [judge.name for judge in list_adapters(kind="reward")]
        judge = st.selectbox(
            t("Judged by"),
            judges,
            index=None,
            accept_new_options=True,
            placeholder=t("a reward model or a rule"),
            key="rlhf.compare.judge",
            help=t(WinRateSpec.model_fields["reward"].description or ""),
        )
        prompts = st.number_input(t("Prompts"), 1, 5000, 40, key="rlhf.compare.prompts")
        if st.button(t("Compare"), icon=":material/play_arrow:", key="rlhf.compare.start"):
            with frame.errors_shown():
                reward = [judge] if judge else []
                run = start_win_rate(WinRateSpec(adapter=adapter.name, reward=reward, prompts=prompts))
                st.switch_page("pages/train/runs.py", query_params={"run": run.id})


def _reward_model(adapter: Adapter) -> None:
    metrics = adapter.card.metrics
    with st.container(horizontal=True, gap="large"):
        for title, name in ((t("Accuracy on pairs kept aside"), "eval_accuracy"), (t("Mean margin"), "eval_margin")):
            value = metrics.get(name)
            shown = "–" if value is None else f"{value:.0%}" if name == "eval_accuracy" else f"{value:.2f}"
            st.metric(title, shown, width="content")
    run = find_run(adapter.card.run)
    margins = read_margins(run) if run else []
    if margins:
        left, right = st.columns(2)
        with left:
            _calibration(margins)
        with right:
            _histogram(margins)
    _score(adapter)


def _calibration(margins: list[float]) -> None:
    st.markdown(f"**{t('Is it right as often as it is sure?')}**")
    bins = reliability(margins)
    rows = [{"sure": each.confidence, "right": each.accuracy, "pairs": each.pairs} for each in bins]
    diagonal = alt.Chart(alt.Data(values=[{"x": 0.5, "y": 0.5}, {"x": 1, "y": 1}])).mark_line(
        strokeDash=[4, 4], color="gray"
    ).encode(x="x:Q", y="y:Q")  # fmt: skip
    points = (
        alt.Chart(alt.Data(values=rows), height=220)
        .mark_line(point=True, color="#0d9488")
        .encode(
            x=alt.X("sure:Q", title=t("how sure it is"), scale=alt.Scale(domain=[0.5, 1]), axis=alt.Axis(format="%")),
            y=alt.Y(
                "right:Q", title=t("how often it is right"), scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%")
            ),
            tooltip=[alt.Tooltip("pairs:Q", title=t("pairs"))],
        )
    )
    st.altair_chart(diagonal + points, alt=t("Is it right as often as it is sure?"))


def _histogram(margins: list[float]) -> None:
    st.markdown(f"**{t('Margins on pairs kept aside')}**")
    chart = (
        alt.Chart(alt.Data(values=[{"margin": margin} for margin in margins]), height=220)
        .mark_bar(color="#6366f1")
        .encode(
            x=alt.X("margin:Q", bin=alt.Bin(maxbins=20), title=t("reward of the chosen reply less the other's")),
            y=alt.Y("count():Q", title=t("pairs")),
        )
    )
    st.altair_chart(chart, alt=t("Margins on pairs kept aside"))


def _score(adapter: Adapter) -> None:
    """Score any text."""
    st.subheader(t("Score a reply"), anchor=False)
    prompt = st.text_area(t("Prompt"), key="rlhf.score.prompt", height=68)
    reply = st.text_area(t("Reply"), key="rlhf.score.reply", height=68)
    if st.button(
        t("Score"), icon=":material/speed:", key="rlhf.score.go", disabled=not (prompt.strip() and reply.strip())
    ):
        with frame.errors_shown(), st.spinner(t("Reading …")):
            reward = _loaded(adapter.name, adapter.fingerprint).score([([{"role": "user", "content": prompt}], reply)])[
                0
            ]
            st.metric(t("Reward"), f"{reward:.3f}")
            st.caption(t("It means something only beside the reward of another reply to the same prompt."))


@st.cache_resource(max_entries=1, show_spinner=False)
def _loaded(name: str, fingerprint: str) -> "RewardModel":
    """Kept; the fingerprint tells an adapter from another that had its name."""
    from engine.models.reward import RewardModel

    return RewardModel(name)
