"""Each method does what it is for: on the starter, with its default flags, from 200 examples in 40 steps."""

import json

import pytest

from engine.adapters.store import read_adapter
from engine.data import registry
from engine.models.reward import RewardModel
from engine.runs import open_run
from tests.conftest import PROVE
from tests.engine.training import planted

pytestmark = pytest.mark.skipif(not PROVE, reason="a long proof: make prove")

UNSEEN = 40


@pytest.fixture
def data(starter, monkeypatch):
    """200 planted rows to train on, and others about subjects that are not among them. Trained as people do: `auto`."""
    monkeypatch.setenv("STUDIO_DTYPE", "auto")
    planted.plant()
    registry.create("unseen", planted.pairs(planted.UNSEEN), [])


def train(studio, method: str, *more: object):
    dataset = "thumbs" if method == "kto" else "pairs"
    words = ["rlhf", method, "--dataset", dataset, "--adapter", method, "--max-steps", 40, "--eval-split", 0, *more]
    code, document, errors = studio(*words, "--wait", "--json", timeout=3600)
    assert code == 0, errors
    return open_run(document["run"])


def shares(studio, adapter: str) -> tuple[float, float]:
    """How many unseen prompts the base and the adapter answer in the style that was preferred."""
    judge = ["--reward", f"keyword:{planted.MARK}", "--prompts", UNSEEN, "--max-new-tokens", 24]
    code, document, errors = studio(
        "rlhf", "compare", adapter, "--dataset", "unseen", *judge, "--wait", "--json", timeout=3600
    )
    assert code == 0, errors
    answers = [json.loads(line) for line in (open_run(document["run"]).path / "answers.jsonl").open()]
    before, after = (sum(answer["rewards"][side] for answer in answers) / len(answers) for side in ("before", "after"))
    return before, after


def test_a_reward_model_knows_polite_from_curt(studio, data, proof):
    train(studio, "reward")
    pairs = planted.pairs(planted.UNSEEN)
    prompts = [[turn.model_dump() for turn in pair.prompt] for pair in pairs]
    model = RewardModel("reward")
    chosen, rejected = (
        model.score([(prompt, getattr(pair, side)[0].content) for prompt, pair in zip(prompts, pairs, strict=True)])
        for side in ("chosen", "rejected")
    )
    accuracy = sum(a > b for a, b in zip(chosen, rejected, strict=True)) / len(pairs)
    proof("5.2-reward", accuracy=accuracy, pairs=len(pairs))
    assert accuracy >= 0.9


@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_more_unseen_prompts_are_answered_as_preferred(studio, data, proof, method):
    train(studio, method)
    before, after = shares(studio, method)
    proof(f"5.2-{method}", base=before, adapter=after, prompts=UNSEEN)
    assert after >= before + 0.3


def test_rloo_raises_its_reward_and_stays_near(studio, data, proof):
    run = train(studio, "rloo", "--reward", "regex:[.!?]$")  # to end with a finished sentence, within 32 tokens
    events = [event for event in run.events() if "reward" in event]
    first, last = events[:5], events[-5:]
    before, after = (sum(event["reward"] for event in part) / len(part) for part in (first, last))
    divergence = max(event["kl"] for event in last)
    proof("5.2-rloo", reward_first_five_steps=before, reward_last_five=after, kl=divergence)
    assert after >= before + RAISED
    assert divergence < BOUND
    assert read_adapter("rloo").card.method == "rloo"


RAISED, BOUND = 0.15, 0.5
"""Mean reward gained, and nats a token that the policy may have moved away."""
