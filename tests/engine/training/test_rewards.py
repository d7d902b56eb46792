"""What judges replies: each rule by examples, weights, and rewards that are written wrongly."""

import pytest

from engine.errors import BadInput
from engine.training.calibration import reliability
from engine.training.rewards import check_rewards, parse_reward, reward_adapters, weighted

PROMPT = [{"role": "user", "content": "Hello"}]


def scores(*rewards: str, replies: list[str]) -> list[float]:
    return weighted(list(rewards))([PROMPT] * len(replies), replies)


@pytest.mark.parametrize(
    ("reward", "replies", "expected"),
    [
        ("length:10", ["x" * 10, "x" * 5, "", "x" * 30], [1, 0.5, 0, 1 / 3]),
        ("json", ['{"a": 1}', "```json\n[1]\n```", "{broken", "words", "3"], [1, 1, 0.5, 0, 0]),
        ("keyword:Thanks", ["thanks a lot", "no"], [1, 0]),
        (r"regex:^\d+$", ["12", "a12"], [1, 0]),
        ("regex:a@b", ["a@b", "ab"], [1, 0]),
    ],
)
def test_a_rule_judges(reward, replies, expected):
    assert scores(reward, replies=replies) == pytest.approx(expected)


def test_weights_add_up():
    assert scores("json@0.5", "length:2@-1", replies=["[]"]) == pytest.approx([0.5 - 1])
    assert parse_reward("my-judge@2").weight == 2
    assert reward_adapters(["json", "my-judge@2", "length:5"]) == ["my-judge"]


@pytest.mark.parametrize(
    "reward", ["length", "length:-3", "length:x", "json:2", "keyword:", "regex:(", "classifier:model", "json@0"]
)
def test_a_rule_written_wrongly_is_refused(reward):
    with pytest.raises(BadInput):
        parse_reward(reward)


def test_a_classifier_says_how_likely_its_label_is(studio_home, tiny):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from engine.models.catalog import local_folder, resolve
    from engine.settings import settings

    torch.manual_seed(0)
    source = local_folder(resolve(tiny))
    labels = {0: "negative", 1: "neutral", 2: "positive"}
    model = AutoModelForSequenceClassification.from_pretrained(source, id2label=labels, num_labels=3)
    folder = settings().var / "models" / "mood"
    model.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(source)
    tokenizer.save_pretrained(folder)
    check_rewards(["classifier:mood=Positive"], tiny)
    with pytest.raises(BadInput, match="negative, neutral, positive"):
        check_rewards(["classifier:mood=happy"], tiny)
    parts = [scores(f"classifier:mood={label}", replies=["a good day"])[0] for label in labels.values()]
    assert sum(parts) == pytest.approx(1, abs=1e-5)


def test_a_sure_and_right_model_lies_on_the_diagonal():
    bins = reliability([3.0] * 19 + [-3.0] + [0.1, -0.1])
    assert [each.pairs for each in bins] == [2, 20]
    assert bins[1].confidence == pytest.approx(bins[1].accuracy, abs=0.01)
    assert bins[0].accuracy == 0.5
