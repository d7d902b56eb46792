"""Several trainings side by side: their curves, their figures, the settings that differ, and what they answer.

Reads only what is in the runs' directories; starts and changes nothing.
"""

import statistics

import streamlit as st

from engine.jobs.recipes import TRAININGS
from engine.runs import Run, find_run
from engine.runs.curves import Curves, read_curves
from engine.runs.samples import Sample, read_samples, sample_steps
from engine.training.comparing import differing, last_common_step, metrics, names, seconds
from pages.shared.i18n import t
from pages.shared.labels import duration, literal
from pages.shared.run_charts import lines, logarithmic, pace, rounded
from pages.shared.run_samples import question_text, reply
from pages.shared.run_words import state_name
from pages.train.fields import label

_CURVES = ("loss", "eval_loss", "tokens_per_second", "pictures_per_second")
_POINTS = 6_000
"""In one chart, shared by its lines: more cannot be seen, and the browser takes its time over each."""
_SIDE_BY_SIDE = 4
"""Runs whose answers are shown at once."""
_SMOOTH = 0.02
"""Share of a curve that each point is the mean of: the losses of single batches would hide which curve lies lower."""


def is_training(run: Run) -> bool:
    """Whether a run has curves to compare."""
    return run.kind in TRAININGS


def compare(ids: list[str]) -> None:
    """The view."""
    runs = [run for run_id in ids if (run := _found(run_id))]
    if len(runs) < len(ids):
        missing = ", ".join(literal(run_id, 40) for run_id in ids if run_id not in {run.id for run in runs})
        st.caption(t("Left out, as there is no such training (any more): {runs}.", runs=missing))
    if len(runs) < 2:
        st.caption(t("Tick at least two trainings in the list to see them side by side."))
    if not runs:
        return
    labels = names(runs)
    log, smooth = _switches()
    most = max(100, min(1000, _POINTS // len(runs)))
    curves = [read_curves(run, _CURVES, most, _SMOOTH if smooth else 0) for run in runs]
    _charts(labels, curves, log)
    _figures(runs, labels, curves)
    if len(runs) > 1:
        _settings(runs, labels)
    _samples(runs, labels)


def _found(run_id: str) -> Run | None:
    run = find_run(run_id)
    return run if run and is_training(run) else None


def _switches() -> tuple[bool, bool]:
    """The heading of the charts; whether they are logarithmic and smoothed."""
    with st.container(horizontal=True, gap="medium"):
        st.markdown(f"**{t('Loss')}**", width="stretch")
        hint = t("Each point is the mean of the fiftieth of the run before it: shows the trend, hides single steps.")
        smooth = st.toggle(t("Smooth"), value=True, key="runs.compare.smooth", help=hint)
        return logarithmic("runs.compare"), smooth


def _charts(labels: list[str], curves: list[Curves], log: bool) -> None:
    losses = {label: curve.points["loss"] for label, curve in zip(labels, curves, strict=True)}
    if not any(losses.values()):
        st.caption(t("The charts begin with the first step."))
        return
    st.altair_chart(lines(losses, 300, log), alt=t("Loss by step"))
    measured = {label: curve.points["eval_loss"] for label, curve in zip(labels, curves, strict=True)}
    if any(measured.values()):
        st.markdown(f"**{t('Evaluation loss')}**")
        st.altair_chart(lines(measured, 220, log), alt=t("Evaluation loss"))


def _figures(runs: list[Run], labels: list[str], curves: list[Curves]) -> None:
    rows = []
    for run, name, curve in zip(runs, labels, curves, strict=True):
        status = run.status()
        card = metrics(run, status)
        counted, speeds = pace(curve.points)
        time = seconds(status)
        rows.append(
            {
                t("Run"): name,
                t("State"): state_name(status.state),
                t("Loss"): card.pop("loss", status.loss),
                t("Evaluation loss"): card.pop("eval_loss", curve.last("eval_loss")),
                counted: rounded(statistics.median(value for _, value in speeds)) if speeds else None,
                t("Time"): duration(time) if time else None,
                **card,
            }
        )
    columns = dict.fromkeys(name for row in rows for name in row)
    st.subheader(t("Final figures"), anchor=False)
    st.dataframe({name: [row.get(name) for row in rows] for name in columns}, hide_index=True, placeholder="–")


def _settings(runs: list[Run], labels: list[str]) -> None:
    st.subheader(t("Settings that differ"), anchor=False)
    settings = differing([run.spec() for run in runs])
    if not settings:
        st.caption(t("None: all settings are the same."))
        return
    table = {t("Setting"): [label(name) for name in settings]}
    for place, run in enumerate(labels):
        table[run] = [values[place] for values in settings.values()]
    st.dataframe(table, hide_index=True, column_config={t("Setting"): st.column_config.TextColumn(pinned=True)})


def _samples(runs: list[Run], labels: list[str]) -> None:
    step = last_common_step(runs)
    if step is None:
        if any(sample_steps(run) for run in runs):
            st.caption(t("There is no step at which all of these gave sample answers."))
        return
    title = t("Sample answers at step {n}", n=f"{step:,}")
    # many cards hold up the charts above them: they wait to be opened
    few = len(runs) <= _SIDE_BY_SIDE
    with st.expander(title, few, icon=":material/chat:", key=f"runs.compare.samples.{few}", on_change="rerun") as box:
        if box.open:
            _answers(labels, [{sample.question: sample for sample in read_samples(run, step)} for run in runs])


def _answers(labels: list[str], answers: list[dict[str, Sample]]) -> None:
    """One question at a time, and what each run answered."""
    questions = [question for question in answers[0] if all(question in found for found in answers)]
    if not questions:
        st.caption(t("They were not asked the same."))
        return
    question = questions[0]
    if len(questions) > 1:
        question = st.selectbox(t("Question"), questions, key="runs.compare.question")
    else:
        question_text(question)
    with st.grid(4, min_column_width=220):
        for label, found in zip(labels, answers, strict=True):
            with st.container(border=True, gap="xsmall"):
                reply(literal(label), found[question])
