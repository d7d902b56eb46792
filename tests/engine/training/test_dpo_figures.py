"""DPO's logged figures against an independent computation, and the same training over several processes."""

import json
import math

import pytest
import torch

from engine.data import registry
from engine.runs import Run, open_run
from engine.settings import settings
from tests.engine.training import planted
from tests.engine.training.helpers import losses

BETA, ROWS = 0.3, 4


@pytest.fixture
def four_pairs(studio_home):
    """A dataset of as many pairs as a step sees: every step sees them all, whatever their order."""
    registry.create("four", planted.pairs(["tea", "snow"])[:ROWS], [])


def train(studio, model: str, name: str, *more: object) -> Run:
    words = ["rlhf", "dpo", "--dataset", "four", "--adapter", name, "--model", model, "--max-steps", 5, "--rank", 4]
    words += ["--learning-rate", 0.01, "--beta", BETA, "--eval-split", 0, "--samples", 0, "--no-compare"]
    words += ["--sft-weight", 0]
    code, document, errors = studio(*words, *more, "--wait", "--json", timeout=900)
    assert code == 0, errors
    return open_run(document["run"])


def log_probability(model, tokenizer, prompt, reply) -> float:
    """Of a reply, computed word by word from the model's own logits."""
    asked = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, tokenize=False)
    whole = tokenizer.apply_chat_template([*prompt, *reply], tokenize=False)
    assert whole.startswith(asked)
    start, ids = len(tokenizer(asked)["input_ids"]), tokenizer(whole, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        logits = model(input_ids=ids).logits[0].double()
    return sum(float(logits[place - 1].log_softmax(-1)[ids[0, place]]) for place in range(start, ids.shape[1]))


def test_rewards_and_margins_at_step_five_are_those_of_the_log_probabilities(studio, tiny, four_pairs):
    from peft import PeftModel

    from engine.models.loader import load_model, load_tokenizer

    run = train(studio, tiny, "one", "--batch-size", ROWS, "--save-steps", 4)
    logged = next(event for event in run.events() if event.get("step") == 5 and "margin" in event)
    tokenizer = load_tokenizer(tiny)
    reference = load_model(tiny)
    policy = PeftModel.from_pretrained(load_model(tiny), str(run.checkpoints / "checkpoint-4")).eval()
    rows = [json.loads(line) for line in (run.path / "data" / "train.jsonl").read_text().splitlines()]
    rewards = {
        side: [
            BETA
            * (
                log_probability(policy, tokenizer, row["prompt"], row[side])
                - log_probability(reference, tokenizer, row["prompt"], row[side])
            )
            for row in rows
        ]
        for side in ("chosen", "rejected")
    }
    margins = [chosen - rejected for chosen, rejected in zip(rewards["chosen"], rewards["rejected"], strict=True)]
    assert abs(sum(margins)) > 0.1, "the steps must have changed something"
    assert logged["rewards_chosen"] == pytest.approx(sum(rewards["chosen"]) / ROWS, abs=2e-3)
    assert logged["rewards_rejected"] == pytest.approx(sum(rewards["rejected"]) / ROWS, abs=2e-3)
    assert logged["margin"] == pytest.approx(sum(margins) / ROWS, abs=2e-3)
    assert logged["accuracy"] == pytest.approx(sum(margin > 0 for margin in margins) / ROWS)
    assert logged["loss"] == pytest.approx(sum(math.log1p(math.exp(-margin)) for margin in margins) / ROWS, abs=2e-3)


@pytest.mark.parametrize("sharding", [(), ("--zero", 2)], ids=["ddp", "zero-2"])
def test_two_processes_agree_with_one(studio, tiny, four_pairs, sharding):
    one = train(studio, tiny, "one", "--batch-size", ROWS)
    two = train(studio, tiny, "two", "--batch-size", ROWS // 2, "--launcher", "torchrun", "--nproc", 2, *sharding)
    assert two.status().world_size == 2
    assert two.status().sharding == ("zero-2" if sharding else "none")
    assert losses(two)[5] == pytest.approx(losses(one)[5], rel=0.01)


def test_rloo_over_two_processes_keeps_them_alike(studio, tiny, four_pairs):
    words = ["rlhf", "rloo", "--dataset", "four", "--adapter", "online", "--model", tiny, "--max-steps", 3, "--rank", 4]
    words += ["--reward", "length:20", "--max-new-tokens", 8, "--batch-size", 4, "--eval-split", 0, "--samples", 0]
    words += ["--learning-rate", 0.01, "--no-compare", "--launcher", "torchrun", "--nproc", 2]
    code, document, errors = studio(*words, "--wait", "--json", timeout=900)
    assert code == 0, errors
    events = list(open_run(document["run"]).events())
    divergences = [event["kl"] for event in events if "kl" in event]
    assert divergences and all(map(math.isfinite, divergences))
    assert divergences[-1] != 0  # an estimate from samples: it may be below zero
    digests = next(event["weights_by_rank"] for event in events if "weights_by_rank" in event)
    assert len(digests) == 2 and digests[0] == digests[1]
    assert (settings().lora_store / "online").is_dir()
