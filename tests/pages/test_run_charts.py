"""A run's charts: each method shows the series it has and no empty frames, and warnings stand above in plain language."""

import json

import pytest
import yaml
from streamlit.testing.v1 import AppTest

from engine.runs import create_run
from engine.settings import ROOT

STEPS = 40
MACHINE = {"grad_norm": 1.0, "tokens_per_second": 10.0, "memory": 2**30}
GROWING = "Replies grow with the reward, from {first} to {last} tokens"
EVENTS = {
    "sft": {"loss": 0.5},
    "dpo": {"loss": 0.5, "rewards_chosen": 1.0, "rewards_rejected": -1.0, "margin": 2.0, "accuracy": 0.9,
            "logps_chosen": -40.0, "logps_rejected": -60.0, "entropy": 1.0},
    "rloo": {"loss": 0.0, "reward": 0.5, "reward_std": 0.2, "kl": 0.05, "entropy": 1.0, "length": 30.0},
    "reward": {"loss": 0.5, "reward": 0.1, "margin": 1.0, "accuracy": 0.8},
    "dreambooth": {"loss": 0.5, "instance_loss": 0.3, "prior_loss": 0.2, "tokens_per_second": None, "pictures_per_second": 1.25},
}  # fmt: skip


def _run(kind, steps=STEPS, **more):
    run = create_run(kind, {"adapter": "a"}, f"python -m engine train {kind}", adapter="a")
    for step in range(1, steps + 1):
        changed = {name: value(step) for name, value in more.items()}
        run.add_event(step=step, **{**MACHINE, **EVENTS[kind], **changed})
    run.update(state="finished", step=steps, max_steps=steps, started=1.0, ended=601.0)
    return run


def _open(run, language="en"):
    app = AppTest.from_file(str(ROOT / "Home.py"), default_timeout=60)
    app.query_params["as"], app.query_params["lang"] = "Ann", language
    app.run()
    app.switch_page("pages/train/runs.py")
    app.query_params["run"] = run.id
    app.run()
    assert not app.exception, app.exception
    return app


def _titles(app):
    return [
        words.value.strip("*") for words in app.markdown if words.value.startswith("**") and words.value.endswith("**")
    ]


def _lines(app):
    """The names of each chart's lines, chart by chart."""
    return [
        json.loads(chart.proto.spec)["encoding"]["color"]["scale"]["domain"] for chart in app.get("vega_lite_chart")
    ]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("sft", ["Loss"]),
        ("dpo", ["Loss", "Rewards of the replies", "Margin", "Pairs ranked right", "Log-probability, nats a reply",
                 "Entropy, nats a token"]),
        ("rloo", ["Reward", "KL to the beginning, nats a token", "Entropy, nats a token", "Length of replies, tokens", "Loss"]),
        ("reward", ["Loss", "Reward", "Margin", "Pairs ranked right"]),
        ("dreambooth", ["Loss", "Parts of the loss"]),
    ],
)  # fmt: skip
def test_a_run_shows_what_its_method_measures_and_no_empty_chart(kind, expected):
    app = _open(_run(kind))
    speed = "Pictures a second" if kind == "dreambooth" else "Tokens a second"
    machine = ["Gradient norm", speed, "Memory, GiB"]  # no learning rate is in the events
    assert [metric.value for metric in app.metric if metric.label == speed] == ["1.25" if speed[0] == "P" else "10"]
    assert [title for title in _titles(app) if title in {*expected, *machine, "Learning rate"}] == expected + machine
    assert len(_lines(app)) == len(expected) + len(machine)


def test_what_belongs_together_is_in_one_chart():
    run = _run("dpo")
    run.add_event(step=STEPS, eval_loss=0.6, eval_accuracy=0.8, eval_margin=1.5)
    lines = _lines(_open(run))
    assert (
        lines[:4]
        == [["training", "evaluation"], ["chosen replies", "rejected replies"]] + [["training", "evaluation"]] * 2
    )


def test_before_the_first_step_there_is_nothing_to_draw():
    app = _open(_run("rloo", steps=0))
    assert not _lines(app) and "The charts begin with the first step." in [words.value for words in app.caption]


def test_warnings_stand_above_the_charts_and_healthy_runs_have_none():
    assert not _open(_run("rloo")).warning
    run = _run("rloo", length=lambda step: 30.0 + step, reward=lambda step: step / STEPS)
    (warning,) = _open(run).warning
    assert warning.value.startswith(GROWING.format(first="32", last="68"))


def test_warnings_speak_the_language():
    catalogue = yaml.safe_load((ROOT / "pages" / "shared" / "zh.yaml").read_text(encoding="utf-8"))
    chinese = next(text for english, text in catalogue.items() if english.startswith(GROWING))
    (warning,) = _open(_run("rloo", length=lambda n: 30.0 + n, reward=lambda n: n / STEPS), "zh").warning
    assert warning.value == chinese.format(first="32", last="68")
