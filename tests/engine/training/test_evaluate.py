"""Evaluation of a really trained adapter: on the rows that were kept aside, against its base, the same to the last bit."""

import math
import os
import shlex
import shutil
import subprocess
import sys

import pytest

from engine.adapters.store import CARD, read_adapter
from engine.data import registry
from engine.data.prepared import list_prepared, load
from engine.data.records import Conversation
from engine.errors import BadInput
from engine.files import write_json
from engine.jobs.evaluation import start_evaluation
from engine.models.loader import load_model
from engine.runs import Stopped, create_run, open_run
from engine.runs.answers import read_answers
from engine.settings import ROOT
from engine.training.evaluate import evaluate
from engine.training.evaluation_specs import EvaluateSpec, check_evaluation

TRAINING = ["--max-steps", "12", "--batch-size", "2", "--rank", "4", "--learning-rate", "0.01", "--eval-split", "0.15"]


@pytest.fixture(scope="module")
def trained_home(tmp_path_factory, tiny_model_folder):
    """A studio with the forty rows and an adapter of the tiny model trained on them."""
    home = tmp_path_factory.mktemp("home")
    (home / "var" / "models").mkdir(parents=True)
    (home / "var" / "models" / "tiny").symlink_to(tiny_model_folder)
    rows = str(ROOT / "engine" / "data" / "samples" / "zorvex.jsonl")
    for words in (
        ["data", "import", rows, "--name", "zorvex"],
        ["train", "sft", "--dataset", "zorvex", "--adapter", "fact", "--model", "tiny", *TRAINING, "--wait"],
    ):
        environment = {**os.environ, "STUDIO_HOME": str(home)}
        subprocess.run([sys.executable, "-m", "engine", *words], cwd=ROOT, env=environment, check=True)
    return home


@pytest.fixture
def fact(trained_home, studio_home):
    """The name of that adapter, in this test's studio."""
    shutil.copytree(trained_home, studio_home, symlinks=True, dirs_exist_ok=True)
    return "fact"


def _evaluate(**settings):
    spec = EvaluateSpec(**{"adapter": "fact", "answers": 2, "max_new_tokens": 4, **settings})
    run = create_run("evaluate", spec.model_dump(), "")
    evaluate(spec, run)
    return run


def _loss(model, rows) -> float:
    """By transformers' own loss, which is the mean over a row's trained tokens."""
    import torch

    total = tokens = 0
    for row in rows:
        ids, labels = torch.tensor([row["input_ids"]]), torch.tensor([row["labels"]])
        trained = int((labels[:, 1:] != -100).sum())
        with torch.inference_mode():
            total += float(model(input_ids=ids, labels=labels).loss) * trained
        tokens += trained
    return total / tokens


def test_the_command_measures_base_and_adapter_on_what_was_kept_aside(fact, studio):
    from peft import PeftModel

    words = ["adapters", "evaluate", fact, "--answers", 3, "--max-new-tokens", 5, "--wait", "--json"]
    code, document, errors = studio(*words)
    assert code == 0, errors
    result = document["result"]
    aside = load(list_prepared("zorvex")[0].path)[1]
    assert aside and (result["dataset"], result["held_out"], result["rows"]) == ("zorvex@1", True, len(aside))
    figures = result["figures"]
    model = load_model("tiny")
    assert figures["base"]["loss"] == pytest.approx(_loss(model, aside), abs=1e-5)
    model = PeftModel.from_pretrained(model, str(read_adapter(fact).path)).eval()
    assert figures["adapter"]["loss"] == pytest.approx(_loss(model, aside), abs=1e-5)
    assert figures["adapter"]["loss"] < figures["base"]["loss"] - 0.2
    assert figures["adapter"]["perplexity"] == pytest.approx(math.exp(figures["adapter"]["loss"]))
    assert {"bleu", "rouge_1", "rouge_2", "rouge_l", "exact_match"} < set(figures["base"])

    status = open_run(document["run"]).status()
    assert (status.step, status.max_steps, status.unit) == (len(aside), len(aside), "rows")
    card = read_adapter(fact).card
    assert card.metrics["evaluation"]["figures"] == figures and card.metrics["eval_loss"] > 0
    assert shlex.split(document["command"])[:6] == ["python", "-m", "engine", "adapters", "evaluate", fact]


def test_answers_are_those_of_base_and_adapter_to_each_rows_last_question(fact, host):
    from engine.models.request import Sampling

    run = _evaluate(answers=3, max_new_tokens=6)
    answers = read_answers(run)
    assert len(answers) == 3 and answers[1:2] == read_answers(run, 1, 2)
    rows = registry.rows("zorvex")
    for answer in answers:
        row = rows[answer["row"] - 1]
        assert isinstance(row, Conversation)
        assert answer["reference"] == row.messages[-1].content
        assert answer["prompt"] == [message.model_dump() for message in row.messages[:-1]]
        sampling = Sampling(max_new_tokens=6, temperature=0)
        for side, adapter in (("base", None), ("adapter", fact)):
            assert answer[side] == host.generate(answer["prompt"], sampling, "tiny", adapter).wait(60).text
    assert any(answer["base"] != answer["adapter"] for answer in answers)


def test_the_same_evaluation_gives_the_same_figures_to_the_last_bit(fact):
    first, second = _evaluate(), _evaluate()
    assert first.status().result["figures"] == second.status().result["figures"]
    assert read_answers(first) == read_answers(second)


def test_of_another_dataset_all_rows_are_measured_or_as_many_as_the_limit_allows(fact, studio_home):
    rows = registry.rows("zorvex")
    registry.create("other", rows, [])
    result = _evaluate(dataset="other", answers=1).status().result
    assert (result["dataset"], result["held_out"], result["rows"]) == ("other@1", False, 40)

    def asked(seed):
        run = _evaluate(dataset="other", limit=5, answers=5, max_new_tokens=1, seed=seed)
        return [answer["row"] for answer in read_answers(run)]

    assert len(asked(0)) == 5 and asked(0) == asked(0) != asked(1)


def test_the_version_that_was_trained_on_is_measured_also_after_a_change(fact):
    before = _evaluate().status().result
    registry.append("zorvex", [Conversation.model_validate({"messages": [
        {"role": "user", "content": f"new {n}"}, {"role": "assistant", "content": "x"}]}) for n in range(50)])  # fmt: skip
    after = _evaluate().status().result
    assert after["dataset"] == "zorvex@1" and after["figures"] == before["figures"]
    newest = _evaluate(dataset="zorvex").status().result
    assert newest["dataset"] == "zorvex@2" and before["rows"] < newest["rows"] < 50


def test_several_turns_and_chinese(fact):
    turns = [
        ("user", "你好"),
        ("assistant", "你好！"),
        ("user", "北京在哪里？"),
        ("assistant", "在中国。"),
        ("user", "谢谢"),
    ]
    messages = [{"role": role, "content": content} for role, content in turns]
    registry.create("chinese", [Conversation.model_validate({"messages": messages})], [])
    run = _evaluate(dataset="chinese")
    answer = read_answers(run)[0]
    assert (answer["prompt"], answer["reference"]) == (messages[:3], "在中国。")
    assert "tok:zh" in run.status().result["bleu_signature"]


def test_a_stop_ends_it_between_rows_and_leaves_the_card_alone(fact):
    spec = EvaluateSpec(adapter=fact)
    run = create_run("evaluate", spec.model_dump(), "")
    run.request_stop()
    with pytest.raises(Stopped):
        evaluate(spec, run)
    assert not run.status().result and "evaluation" not in read_adapter(fact).card.metrics


def test_nothing_is_measured_on_rows_that_were_trained_on(fact):
    adapter = read_adapter(fact)
    adapter.card.spec["eval_split"] = 0.0
    write_json(adapter.path / CARD, adapter.card.model_dump())
    with pytest.raises(BadInput, match="kept aside"):
        _evaluate()


@pytest.mark.parametrize("settings", [{"adapter": "none"}, {"dataset": "none"}, {"dataset": "zorvex@7"}])
def test_what_is_not_there_is_refused_before_a_run_is_made(fact, settings, studio_home):
    with pytest.raises(BadInput):
        start_evaluation(EvaluateSpec(**{"adapter": fact, **settings}))
    assert not list((studio_home / "var" / "runs").glob("*-evaluate-*"))


def test_an_adapter_from_elsewhere_needs_a_dataset(fact):
    adapter = read_adapter(fact)
    adapter.card.dataset = None
    write_json(adapter.path / CARD, adapter.card.model_dump())
    with pytest.raises(BadInput, match="choose a dataset"):
        check_evaluation(EvaluateSpec(adapter=fact))
    check_evaluation(EvaluateSpec(adapter=fact, dataset="zorvex"))


@pytest.fixture
def host():
    """A host of the test's own."""
    from engine.models.host import Host

    host = Host(budget=2**30)
    yield host
    host.unload()
