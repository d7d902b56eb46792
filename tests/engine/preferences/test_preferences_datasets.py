"""Built rows as versions of a dataset, the command that builds, and who learnt from whom."""

import argparse
import json

import pytest

from engine.adapters.store import CONFIG, WEIGHTS, Card, publish, read_adapter
from engine.commands import feedback, rlhf_pairs
from engine.data import editing, registry
from engine.data.records import Conversation, Preference
from engine.errors import BadInput
from engine.feedback import store
from engine.feedback.export import FORMATS, to_sft
from engine.feedback.schema import Reply
from engine.feedback.withdrawn import readmit, withdraw, withdrawn
from engine.preferences.build import build, build_unpaired
from engine.preferences.datasets import keep
from engine.preferences.lineage import adapters_of, adapters_trained_on, feedback_of
from engine.preferences.rules import PairRules

PROMPT = [{"role": "user", "content": "What is a whale?"}]
RULES = PairRules()


@pytest.fixture(autouse=True)
def judged():
    """Two corrections of Ann's (1, 2) and Bob's good word for one of them (3)."""
    store.rate("ann", PROMPT, Reply("A fish.", "m"), verdict="bad", correction="A mammal.")
    store.rate("ann", PROMPT, Reply("A plant.", "m"), correction="A mammal.")
    store.rate("bob", PROMPT, Reply("A mammal.", "m"), verdict="good")


def run(*argv: str):
    """A command, on a parser with just these two groups."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    feedback.add(commands)
    rlhf_pairs.add(commands.add_parser("rlhf").add_subparsers())
    arguments = parser.parse_args([*argv])
    return arguments.run(arguments)


def chosen_over(name: str) -> list[tuple[str, str]]:
    return [
        (pair.chosen[0].content, pair.rejected[0].content)
        for pair in registry.rows(name)
        if isinstance(pair, Preference)
    ]


def test_a_build_is_a_dataset_and_the_next_one_its_next_version():
    card = keep(build(RULES, store.find()), "pairs", RULES, by="cat")
    assert (card.reference, card.kind, card.rows) == ("pairs@1", "preference", 2)
    assert card.change == {"action": "built", "rows": 2, "by": "cat"}
    assert card.sources[0]["rules"] == RULES.model_dump()
    editing.delete_rows("pairs", [0], seen=1)
    store.delete(2)
    rules = PairRules(sources=["corrections"])
    card = keep(build(rules, store.find()), "pairs", rules, by="cat")
    assert (card.reference, card.rows, card.sources[0]["candidates"]) == ("pairs@3", 1, 1)
    assert chosen_over("pairs@1") == [("A mammal.", "A fish."), ("A mammal.", "A plant.")]
    assert chosen_over("pairs@2") == [("A mammal.", "A plant.")]
    assert chosen_over("pairs") == [("A mammal.", "A fish.")]


def test_a_dataset_of_another_kind_and_a_build_without_rows_are_refused():
    keep(build_unpaired(RULES, store.find()), "thumbs", RULES)
    with pytest.raises(BadInput, match="rows of one kind"):
        keep(build(RULES, store.find()), "thumbs", RULES)
    strict = PairRules(min_length=1000)
    with pytest.raises(BadInput, match="leave none of"):
        keep(build(strict, store.find()), "pairs", strict)
    assert registry.card("thumbs").version == 1


def test_the_command_builds_and_counts(capsys):
    done = run("rlhf", "pairs", "--name", "pairs", "--min-length", "8")
    assert {name: done[name] for name in ("name", "rows", "candidates")} == {
        "name": "pairs",
        "rows": 1,
        "candidates": 4,
    }
    assert done["taken"]["reply too short"] == 1
    assert json.loads(json.dumps(done)) == done
    printed = capsys.readouterr().out
    assert "reply too short: 1" in printed
    assert "1 of 4 rows are left; “pairs” is at version 1" in printed


def test_the_command_builds_single_replies():
    assert run("rlhf", "pairs", "--name", "thumbs", "--unpaired")["rows"] == 2
    assert registry.card("thumbs").kind == "unpaired"


def test_the_command_refuses_in_a_sentence():
    with pytest.raises(BadInput, match="of 3 people, and 2 gave theirs"):
        run("rlhf", "pairs", "--name", "pairs", "--min-annotators", "3")
    with pytest.raises(BadInput, match="min_agreement must be at most 1"):
        run("rlhf", "pairs", "--name", "pairs", "--min-agreement", "2")
    for row in store.find():
        store.delete(row.id)
    with pytest.raises(BadInput, match="correct replies, vote between two"):
        run("rlhf", "pairs", "--name", "pairs")


def test_a_training_may_take_what_was_judged_as_it_is():
    assert rlhf_pairs.from_feedback(unpaired=False) == "feedback-pairs@1"
    assert rlhf_pairs.from_feedback(unpaired=True) == "feedback-thumbs@1"
    assert registry.card("feedback-thumbs").kind == "unpaired"


def test_withdrawn_feedback_is_in_no_training_export_and_stays_in_the_whole_one():
    before = {format: len(make(store.find())) for format, make in FORMATS.items()}
    withdraw("ann")
    withdraw("ann")
    assert withdrawn() == {"ann"}
    after = {format: len(make(store.find())) for format, make in FORMATS.items()}
    assert before == {"jsonl": 3, "sft": 1, "preference": 2, "unpaired": 2}
    assert after == {"jsonl": 3, "sft": 1, "preference": 0, "unpaired": 1}
    assert to_sft(store.find())[0]["source"]["feedback"] == [3]


def test_nobody_is_withdrawn_by_a_slip():
    with pytest.raises(BadInput, match="no feedback of “anne”"):
        withdraw("anne")
    with pytest.raises(BadInput, match="not withdrawn"):
        readmit("ann")


@pytest.fixture
def adapter(tmp_path):
    """`adapter("red", dataset="d")` puts a LoRA of one weight in the store, with this card."""

    def make(name: str, **card):
        import torch
        from safetensors.torch import save_file

        folder = tmp_path / "weights"
        folder.mkdir(exist_ok=True)
        (folder / CONFIG).write_text(json.dumps({"peft_type": "LORA", "r": 1, "lora_alpha": 1}))
        save_file({"base_model.q_proj.lora_A.weight": torch.zeros(1, 1)}, folder / WEIGHTS)
        return publish(name, folder, Card.model_validate(card))

    return make


def test_the_adapters_that_learnt_from_a_judgement_are_found(adapter):
    sft = registry.create("judged", map(Conversation.model_validate, to_sft(store.find())), [])
    adapter("sft", dataset="judged", dataset_hash=sft.content_sha256)
    adapter("dpo", feedback=[1], spec={"from_adapter": "other"})
    adapter("other", feedback=[3, "x"], spec={"from_adapter": "dpo"})  # a circle, and a number that is none
    adapter("continued", feedback=[], spec={"from_adapter": "sft"})
    adapter("orphan", feedback=[], spec={"from_adapter": "deleted"})
    adapter("plain", dataset="gone", dataset_hash="f00d")
    found = {name: feedback_of(read_adapter(name)) for name in ("sft", "dpo", "other", "continued", "orphan", "plain")}
    assert found["sft"] == found["continued"] == {1, 2, 3}
    assert found["dpo"] == found["other"] == {1, 3}
    assert found["orphan"] == found["plain"] == set()
    assert adapters_trained_on({2}) == ["continued", "sft"]
    assert set(adapters_of("bob")) == {"sft", "dpo", "other", "continued"}


def test_a_merged_adapter_learnt_from_all_that_its_parents_did(adapter):
    adapter("one", feedback=[1])
    adapter("two", feedback=[], spec={"from_adapter": "three"})
    adapter("three", feedback=[3])
    adapter("merged", method="merge", spec={"parents": [{"name": "one"}, {"name": "two"}, {"name": "gone"}, 5, {}]})
    adapter("twice", method="merge", spec={"parents": [{"name": "merged"}, {"name": "twice"}]})
    assert feedback_of(read_adapter("merged")) == feedback_of(read_adapter("twice")) == {1, 3}
    assert set(adapters_trained_on({1})) == {"one", "merged", "twice"}


def test_an_sft_adapter_learnt_from_the_version_that_its_card_names(adapter):
    old = registry.create("judged", map(Conversation.model_validate, to_sft(store.find())), [])
    turns = [*PROMPT, {"role": "assistant", "content": "Big."}]
    registry.append("judged", [Conversation.model_validate({"messages": turns, "source": {"feedback": [9]}})])
    adapter("sft", dataset="judged", dataset_hash=old.content_sha256)
    assert feedback_of(read_adapter("sft")) == {1, 2, 3}
    registry.delete("judged")
    assert feedback_of(read_adapter("sft")) == set()


def test_withdrawing_on_the_command_line_lists_the_adapters(adapter, capsys):
    adapter("dpo", feedback=[2])
    adapter("bobs", feedback=[3])
    assert run("feedback", "withdraw", "ann") == {"annotator": "ann", "rows": 2, "adapters": ["dpo"]}
    assert "learnt from them: dpo." in capsys.readouterr().out
    assert withdrawn() == {"ann"}
    assert run("feedback", "readmit", "ann") == {"annotator": "ann", "rows": 2, "adapters": ["dpo"]}
    assert withdrawn() == set()
