"""The four methods end to end through the command line, on a tiny model: what they log, freeze, publish and refuse."""

import json

import pytest
import torch
from safetensors.torch import save_file

from engine.adapters.store import read_adapter
from engine.models.reward import RewardModel
from engine.runs import Run, open_run
from engine.settings import settings
from engine.training.preference_data import read_frozen
from tests.engine.training import planted
from tests.engine.training.helpers import losses, weights

SHORT = ["--max-steps", 6, "--batch-size", 4, "--rank", 4, "--samples", 1, "--eval-steps", 3, "--no-compare"]
RLOO = ["--reward", "length:40", "json@0.5", "--max-new-tokens", 8]


def rlhf(studio, method: str, model: str, *more: object, name: str = ""):
    """`rlhf METHOD` with small settings."""
    dataset = "thumbs" if method == "kto" else "pairs"
    short = [word for word in SHORT if word != "--no-compare"] if method == "reward" else SHORT
    words = ["rlhf", method, "--dataset", dataset, "--adapter", name or method, "--model", model, *short]
    words += RLOO if method == "rloo" and "--reward" not in more else []
    return studio(*words, *more, "--wait", "--json", timeout=900)


def run_of(document: dict) -> Run:
    return open_run(document["run"])


@pytest.mark.parametrize("method", ["reward", "dpo", "kto", "rloo"])
def test_a_method_trains_freezes_its_data_and_publishes(studio, tiny, method):
    planted.plant()
    code, document, errors = rlhf(studio, method, tiny)
    assert code == 0, errors
    run, adapter = run_of(document), read_adapter(method)
    assert (document["status"], document["step"]) == ("finished", 6)
    assert len(losses(run)) == 6
    assert (adapter.card.method, adapter.card.kind) == (method, "reward" if method == "reward" else "chat")
    frozen = read_frozen(run)
    asked = [{json.dumps(row["prompt"]) for row in rows} for rows in (frozen.train, frozen.evaluation)]
    assert all(asked)
    assert not asked[0] & asked[1]
    events = list(run.events())
    wanted = {"reward": "margin", "dpo": "margin", "kto": "rewards_chosen", "rloo": "reward"}[method]
    assert any(wanted in event for event in events)
    assert any(f"eval_{wanted}" in event for event in events)
    if method != "reward":
        assert any("kl" in event for event in events)


def test_a_reward_model_scores_and_its_margins_are_kept(studio, tiny):
    planted.plant()
    _, document, _ = rlhf(studio, "reward", tiny)
    pair = planted.pairs(planted.UNSEEN)[0]
    prompt = [turn.model_dump() for turn in pair.prompt]
    together = RewardModel("reward").score([(prompt, pair.chosen[0].content), (prompt, pair.rejected[0].content)])
    alone = [RewardModel("reward").score([(prompt, reply[0].content)])[0] for reply in (pair.chosen, pair.rejected)]
    assert together == pytest.approx(alone, abs=1e-4)
    kept = read_frozen(run_of(document)).evaluation
    assert len(json.loads((run_of(document).path / "margins.json").read_text())) == len(kept)
    code, scored, _ = studio("rlhf", "score", "reward", "What is ink?", "Ink is black.", "Go away.", "--json")
    assert code == 0
    assert len(scored["rewards"]) == 2


def test_a_reward_adapter_does_not_chat(studio, tiny):
    planted.plant()
    rlhf(studio, "reward", tiny)
    code, _, errors = studio("chat", "Hello", "--adapter", "reward")
    assert code == 2
    assert "of kind reward" in errors


def test_the_same_seed_gives_the_same_adapter_and_a_resume_too(studio, tiny):
    planted.plant()
    rlhf(studio, "dpo", tiny, name="one")
    rlhf(studio, "dpo", tiny, "--save-steps", 2, name="two")
    assert weights("one") == weights("two")


def test_a_comparison_follows_and_comes_to_the_card(studio, tiny):
    planted.plant()
    rlhf(studio, "reward", tiny, name="judge")
    rlhf(studio, "dpo", tiny)
    words = ["--reward", "judge", "--prompts", 3, "--max-new-tokens", 8, "--wait", "--json"]
    code, document, errors = studio("rlhf", "compare", "dpo", *words)
    assert code == 0, errors
    found = read_adapter("dpo").card.metrics["win_rate"]
    rate = found["win_rate"]
    assert found["prompts"] == 3
    assert rate["wins"] + rate["ties"] + rate["losses"] == 3
    assert rate["low"] <= rate["rate"] <= rate["high"]
    assert 0 <= found["preference_accuracy"]["after"] <= 1
    lines = (open_run(document["run"]).path / "answers.jsonl").read_text().splitlines()
    assert all({"prompt", "before", "after", "rewards", "outcome"} <= json.loads(line).keys() for line in lines)


@pytest.mark.parametrize(
    ("method", "more", "sentence"),
    [
        ("dpo", ["--dataset", "thumbs"], "holds unpaired rows"),
        ("kto", ["--dataset", "pairs"], "holds preference rows"),
        ("rloo", ["--reward", "colour:red"], "There is no adapter “colour”"),
        ("rloo", ["--reward", "length:many"], "write it as length:CHARACTERS"),
        ("rloo", ["--reward", "json@0"], "other than 0"),
        ("rloo", ["--reward", "json", "--batch-size", 6], "multiple of num_generations"),
        ("dpo", ["--stack"], "choose one in from_adapter"),
        ("dpo", ["--loss-type", "exo_pair"], "label_smoothing"),
    ],
)
def test_bad_input_is_one_sentence(studio, tiny, method, more, sentence):
    planted.plant()
    code, _, errors = rlhf(studio, method, tiny, *more)
    assert code == 2
    assert sentence in errors
    assert len(errors.strip().splitlines()) == 1


def test_an_empty_prompt_is_refused(studio, tiny, tmp_path):
    file = tmp_path / "pairs.jsonl"
    file.write_text('{"prompt": " ", "chosen": "a", "rejected": "b"}\n')
    code, _, errors = studio("data", "import", file, "--name", "empty")
    assert code == 2
    assert "the prompt is empty" in errors
    code, _, errors = studio("rlhf", "score", "judge", " ", "a reply")
    assert (code, errors.strip()) == (2, "The prompt is empty: write what was asked.")


def test_a_reward_model_of_another_tokenizer_is_refused(studio, tiny):
    planted.plant()
    folder = settings().lora_store / "stranger"
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 4, "lora_alpha": 8}))
    save_file({"a": torch.zeros(1)}, folder / "adapter_model.safetensors")
    card = {"kind": "reward", "base_model": "Qwen/Qwen3-0.6B", "base_fingerprint": "0" * 16}
    (folder / "studio.json").write_text(json.dumps(card))
    code, _, errors = rlhf(studio, "rloo", tiny, "--reward", "stranger")
    assert code == 2
    assert "reads other tokens than tiny writes" in errors
    code, _, errors = rlhf(studio, "dpo", tiny, "--judge", "stranger")
    assert code == 2
    assert "reads other tokens than tiny writes" in errors


def test_no_feedback_makes_no_pairs(studio, tiny):
    code, _, errors = studio("rlhf", "dpo", "--feedback", "--adapter", "none", "--model", tiny)
    assert code == 2
    assert "correct replies, vote between two" in errors
