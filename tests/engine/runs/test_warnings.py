"""Each warning comes with the failure it is for, and not with a healthy run, a noisy one, or one that has only begun."""

import random

import pytest
import yaml

from engine.runs import warnings as module
from engine.runs.warnings import Caution, warnings
from engine.settings import ROOT

STEPS = 100


def curve(first: float, last: float, noise: float = 0.0, steps: int = STEPS, every: int = 1) -> list[tuple[int, float]]:
    """An even way from one value to another."""
    chance = random.Random(7)
    return [
        (step, first + (last - first) * step / (steps - 1) + chance.gauss(0, noise)) for step in range(0, steps, every)
    ]


HEALTHY = {
    "rloo": {
        "reward": curve(0.2, 0.8, 0.05), "reward_std": curve(0.3, 0.1), "kl": curve(0.0, 0.05), "length": curve(40, 45),
        "entropy": curve(2.0, 1.2), "loss": curve(0.0, 0.0),
    },
    "dpo": {
        "loss": curve(0.69, 0.3), "margin": curve(0, 2, 0.1), "accuracy": curve(0.5, 0.9), "logps_chosen": curve(-50, -52),
        "kl": curve(0.0, 0.05, every=10), "length": curve(40, 45, every=10), "entropy": curve(2.0, 0.2),
    },
    "kto": {"loss": curve(0.5, 0.3), "margin": curve(0, 2), "logps_chosen": curve(-50, -45)},
    "reward": {"loss": curve(0.69, 0.3), "margin": curve(0, 2), "accuracy": curve(0.5, 0.9), "reward": curve(0, 0)},
}  # fmt: skip

FAILURES = [
    ("rloo", {"kl": curve(0.0, 0.5)}, "drifts far"),
    ("rloo", {"kl": [*curve(0, 0.02)[:60], *curve(0.02, 0.15)[60:]]}, "drifts far"),  # below the bound, but exploding
    ("dpo", {"kl": curve(0.0, 0.5, every=10)}, "drifts far"),
    ("rloo", {"length": curve(40, 80)}, "Replies grow"),
    ("dpo", {"length": curve(40, 80, every=20)}, "Replies grow"),
    ("dpo", {"logps_chosen": curve(-50, -70)}, "less likely"),
    ("kto", {"logps_chosen": curve(-50, -70)}, "less likely"),
    ("dpo", {"accuracy": curve(0.9, 1.05)}, "ranked right"),
    ("reward", {"accuracy": curve(1, 1), "margin": curve(5, 5), "loss": curve(0.1, 0.001)}, "ranked right"),
    ("rloo", {"entropy": curve(2.0, 0.3)}, "ever more alike"),
    ("rloo", {"reward_std": curve(0.0, 0.0)}, "same reward"),
]
HARMLESS = [
    ("rloo", {"kl": curve(0.0, 0.5), "reward": curve(0.5, 0.5, 0.1)}),  # it drifts, but gains nothing by it
    ("rloo", {"kl": [*curve(0, 0.001)[:60], *curve(0.0, 0.05)[60:]]}),
    ("rloo", {"kl": curve(0.0, 0.2)}),  # an even rise to below the bound
    ("rloo", {"length": curve(40, 80), "reward": curve(0.5, 0.5, 0.1)}),
    ("rloo", {"length": curve(40, 50)}),
    ("dpo", {"logps_chosen": curve(-50, -57)}),
    ("dpo", {"logps_chosen": curve(-50, -70), "margin": curve(0.1, 0.1, 0.05)}),
    ("dpo", {"accuracy": curve(1, 1), "margin": curve(2, 2, 0.1)}),
    ("reward", {"accuracy": curve(0.5, 0.98)}),
    ("rloo", {"entropy": curve(2.0, 0.9)}),
    ("rloo", {"reward_std": curve(0.0, 0.05)}),
]


def words(method: str, **points: list[tuple[int, float]]) -> list[str]:
    return [str(caution) for caution in warnings({**HEALTHY[method], **points}, method)]


@pytest.mark.parametrize("method", HEALTHY)
def test_a_healthy_run_has_no_warning(method):
    assert words(method) == []


@pytest.mark.parametrize(("method", "changed", "expected"), FAILURES)
def test_a_failure_has_its_warning_and_no_other(method, changed, expected):
    (said,) = words(method, **changed)
    assert expected in said


@pytest.mark.parametrize(("method", "changed"), HARMLESS)
def test_what_looks_like_a_failure_but_is_none_has_no_warning(method, changed):
    assert words(method, **changed) == []


@pytest.mark.parametrize(("method", "changed"), [failure[:2] for failure in FAILURES])
def test_a_run_that_has_only_begun_has_no_warning(method, changed):
    begun = {
        name: [point for point in points if point[0] < 15] for name, points in {**HEALTHY[method], **changed}.items()
    }
    assert warnings(begun, method) == []


def test_numbers_are_told():
    assert "KL 21.4 nats" in words("rloo", kl=curve(0.0, 0.5))[0]
    assert "from 42 to 78 tokens" in words("rloo", length=curve(40, 80))[0]


def test_of_other_runs_and_of_missing_curves_nothing_is_said():
    failing = {**HEALTHY["rloo"], "reward_std": curve(0, 0)}
    assert warnings(failing, "sft") == []
    for method in HEALTHY:
        assert warnings({}, method) == []
        assert warnings({name: [] for name in failing}, method) == []


def test_every_warning_has_its_chinese_with_the_same_gaps():
    chinese = yaml.safe_load((ROOT / "pages" / "shared" / "zh.yaml").read_text(encoding="utf-8"))
    found: list[Caution] = [
        caution for method, changed, _ in FAILURES for caution in warnings({**HEALTHY[method], **changed}, method)
    ]
    assert len({caution.sentence for caution in found}) == len(
        {check for checks in module._CHECKS.values() for check in checks}
    )
    for caution in found:
        assert chinese[caution.sentence].format(**caution.values)
