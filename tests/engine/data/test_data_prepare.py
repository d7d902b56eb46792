"""Prepared datasets: what is in them, that the same is not made twice, and that a killed preparation leaves nothing half."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.data import prepare as module
from engine.data import registry, shards
from engine.data.prepared import (
    DUPLICATE,
    LEAKS,
    NEAR_DUPLICATE,
    NOTHING_TRAINED,
    REFUSED,
    TOO_LONG,
    TOO_SHORT,
    Options,
    Prepared,
    list_prepared,
    load,
)
from engine.data.records import Conversation, Unpaired
from engine.data.tokenise import TemplateProblem, encode
from engine.errors import BadInput
from engine.fields import parse


def prepare(name: str, tokenizer, model: str = "tiny", progress=None, **options: Any) -> Prepared:
    return module.prepare(name, tokenizer, model, parse(Options, options), progress)


@pytest.fixture
def make(talk):
    """Makes a dataset of question and answer pairs."""

    def make(*pairs: tuple[str, str], name: str = "data") -> list[Conversation]:
        rows = [Conversation.model_validate(talk(*pair)) for pair in pairs]
        registry.create(name, rows, [])
        return rows

    return make


def tables(prepared: Prepared) -> tuple[list[Any], list[Any]]:
    train, evaluation = load(prepared.path)
    return list(train), list(evaluation or [])


def prepared_folders() -> list[Path]:
    return [path for path in registry.prepared_folder("data").iterdir() if not path.name.startswith(".")]


def test_rows_are_those_of_encode(make, chatml):
    rows = make(*((f"question {n}", f"answer {n} 好😀") for n in range(30)))
    done = prepare("data", chatml, "tiny", split=0.3)
    train, evaluation = tables(done)
    assert (done.rows_in, done.rows_kept, done.dropped) == (30, 30, {})
    assert (len(train), len(evaluation)) == (done.train_rows, done.eval_rows)
    assert done.train_rows + done.eval_rows == 30 and done.eval_rows > 2
    assert done.tokens == sum(len(row["input_ids"]) for part in (train, evaluation) for row in part)
    expected = [vars(encode(row.messages, chatml)) for row in rows]
    assert sorted([*train, *evaluation], key=str) == sorted(expected, key=str)
    assert load(done.path)[0].cache_files  # on disk, mapped


def test_skip_and_truncate(make, chatml):
    rows = make(("hi", "hello"), ("hi", "x" * 500), ("q" * 500, "hello"))
    short = len(encode(rows[0].messages, chatml).input_ids)
    skipped = prepare("data", chatml, "tiny", max_length=100)
    assert (skipped.rows_kept, skipped.dropped, skipped.tokens) == (1, {TOO_LONG: 2}, short)
    cut = prepare("data", chatml, "tiny", max_length=100, overlength="truncate")
    assert (cut.rows_kept, cut.dropped, cut.tokens) == (2, {NOTHING_TRAINED: 1}, short + 100)
    assert max(len(row["labels"]) for row in tables(cut)[0]) == 100
    exact = prepare("data", chatml, "tiny", max_length=short)
    assert exact.rows_kept == 1
    with pytest.raises(BadInput, match=f"3 {TOO_LONG}"):
        prepare("data", chatml, "tiny", max_length=short - 1)
    assert len(prepared_folders()) == 3


def test_duplicates(make, chatml):
    make(("a", "b"), ("a", "c"), ("a", "b"), ("a", "b"))
    assert prepare("data", chatml, "tiny").rows_kept == 4
    done = prepare("data", chatml, "tiny", dedup="exact")
    assert (done.rows_kept, done.dropped) == (2, {DUPLICATE: 2})


def test_split_goes_by_content_and_seed(make, chatml):
    pairs = [(f"question {n}", "answer") for n in range(60)]

    def evaluated(name: str, seed: int) -> set[str]:
        _, rows = tables(prepare(name, chatml, "tiny", split=0.5, seed=seed))
        return {str(row["input_ids"]) for row in rows}

    make(*pairs)
    make(*pairs, ("more", "rows"), name="longer")
    assert evaluated("data", 1) <= evaluated("longer", 1)
    assert evaluated("data", 1) != evaluated("data", 2)
    assert prepare("data", chatml, "tiny", split=0).eval_rows == 0


def test_one_row_at_least_trains(make, chatml):
    make(("a", "b"), ("a", "b"), ("a", "b"))
    for seed in range(5):
        done = prepare("data", chatml, "tiny", split=0.99, seed=seed)
        assert (done.train_rows, load(done.path)[1]) == (3, None)


def test_the_same_request_is_answered_from_disk(make, make_tokenizer, chatml):
    rows = make(("a", "b"), ("c", "d"))
    first = prepare("data", chatml, "tiny")
    made = first.path.stat().st_mtime_ns

    def never(done: int, total: int) -> None:
        raise AssertionError("prepared again")

    assert prepare("data", make_tokenizer(), "tiny", progress=never) == first
    assert first.path.stat().st_mtime_ns == made
    other_template = make_tokenizer(chatml.chat_template.replace("message.content +", "message.content + '!' +"))
    paths = {
        first.path,
        prepare("data", chatml, "tiny", max_length=999).path,
        prepare("data", chatml, "tiny", seed=7).path,
        prepare("data", chatml, "tiny", completion_only=False).path,
        prepare("data", other_template, "tiny").path,
    }
    registry.append("data", rows[:1])
    paths.add(prepare("data", chatml, "tiny").path)
    assert len(paths) == 6


@pytest.fixture
def small_shards(monkeypatch):
    """A hundred rows a shard."""
    monkeypatch.setattr(shards, "_ROWS", 100)


def test_a_stopped_preparation_is_taken_up_again(make, chatml, small_shards, monkeypatch):
    make(*((str(n), "x") for n in range(250)))

    def stop(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare("data", chatml, progress=stop)
    assert prepared_folders() == []
    encoded = []
    real = module.encode_shard
    monkeypatch.setattr(module, "encode_shard", lambda work, shard: encoded.append(shard.number) or real(work, shard))
    done = prepare("data", chatml)
    assert len(encoded) < 3 and done.rows_kept == 250


def test_progress(make, chatml, small_shards):
    make(*((str(n), "x") for n in range(250)))
    seen = []
    prepare("data", chatml, progress=lambda *counts: seen.append(counts))
    assert seen == [(100, 250), (200, 250), (250, 250)]


def test_rows_that_the_template_refuses(make, make_tokenizer, chatml):
    picky = make_tokenizer(
        "{% if messages[0].content == 'bad' %}{{ raise_exception('not this') }}{% endif %}" + chatml.chat_template
    )
    make(("good", "b"), ("bad", "b"))
    assert prepare("data", picky, "tiny").dropped == {REFUSED: 1}
    make(("bad", "b"), name="all-bad")
    with pytest.raises(TemplateProblem, match="not this"):
        prepare("all-bad", picky, "tiny")


def test_refusals(make, make_tokenizer, chatml):
    make(("a", "b"))
    turn, reply = ([{"role": role, "content": "x"}] for role in ("user", "assistant"))
    registry.create("judged", [Unpaired.model_validate({"prompt": turn, "completion": reply, "label": True})], [])
    for call, sentence in [
        (lambda: prepare("data", make_tokenizer(None), "tiny"), "no chat template"),
        (lambda: prepare("judged", chatml, "tiny"), "only conversations"),
        (lambda: prepare("nothing", chatml, "tiny"), "no dataset"),
        (lambda: prepare("data", chatml, "tiny", split=1.0), "split must be less than 1"),
        (lambda: prepare("data", chatml, "tiny", split=-0.1), "split must be at least 0"),
        (lambda: prepare("data", chatml, "tiny", max_length=0), "max_length must be at least 1"),
    ]:
        with pytest.raises(BadInput, match=sentence):
            call()


# Dies by SIGKILL when a given share of the rows is done.
DYING = """
import os, signal, sys
from transformers import AutoTokenizer
from engine.data import shards
from engine.data.prepare import prepare
from engine.data.prepared import Options

shards._ROWS = 100
def die(done, total):
    print(done, flush=True)
    if done >= float(sys.argv[2]) * total:
        os.kill(os.getpid(), signal.SIGKILL)
prepare("data", AutoTokenizer.from_pretrained(sys.argv[1]), "tiny", Options(split=0.2, dedup="exact"), die)
"""


def test_a_killed_preparation_goes_on_where_it_was(make, chatml, tmp_path):
    rows = [(f"question {n}", f"answer {n}") for n in range(1900)]
    make(*rows, *rows[:100], name="data")
    make(*rows, *rows[:100], name="undisturbed")
    chatml.save_pretrained(tmp_path / "tokenizer")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "HF_HUB_OFFLINE": "1"}
    kept = 0
    for share in (0.3, 0.6, 0.9):
        command = [sys.executable, "-c", DYING, str(tmp_path / "tokenizer"), str(share)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
        assert done.returncode == -9, done.stderr
        counted = [int(line) for line in done.stdout.splitlines()]
        assert counted[0] == 100 and counted[-1] == share * 2000
        assert prepared_folders() == [] and not list_prepared("data")
        shards_now = len(list(registry.prepared_folder("data").glob(".*.partial/shard-*.json")))
        assert shards_now >= share * 20 and shards_now >= kept  # none that was whole is made again
        kept = shards_now
    done = prepare("data", chatml, split=0.2, dedup="exact")
    assert (done.rows_kept, done.dropped) == (1900, {DUPLICATE: 100})
    whole = prepare("undisturbed", chatml, split=0.2, dedup="exact")
    assert tables(done) == tables(whole)
    assert {path.name for path in done.path.iterdir()} == {"train", "eval", "card.json"}


@pytest.mark.parametrize("event", ["os.rename", "os.remove"])
def test_killed_at_the_very_end_it_is_whole_or_goes_on(event, make, chatml, tmp_path):
    """At each rename and each removal of the last steps in turn."""
    make(*((str(n), "x") for n in range(120)))
    chatml.save_pretrained(tmp_path / "tokenizer")
    script = """
import os, signal, sys
from transformers import AutoTokenizer
import datasets, pyarrow
from engine.data.prepare import prepare
from engine.data.prepared import Options
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
for step in range(1, 40):
    if not (pid := os.fork()):
        met = 0
        def hook(event, arguments):
            global met
            met += event == sys.argv[2] and "/prepared/" in str(arguments[0])
            if met == step:
                os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(hook)
        prepare("data", tokenizer, "tiny", Options(split=0.5))
        os._exit(0)
    if os.WEXITSTATUS(os.waitpid(pid, 0)[1]) == 0 and any(entry.name[0] != "." for entry in os.scandir(sys.argv[3])):
        break
print(step)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "HF_HUB_OFFLINE": "1"}
    folder = str(registry.prepared_folder("data"))
    command = [sys.executable, "-c", script, str(tmp_path / "tokenizer"), event, folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=True)
    assert int(done.stdout) > 2
    again = prepare("data", chatml, split=0.5)
    train, evaluation = tables(again)
    assert len(train) + len(evaluation) == again.rows_kept == 120


def test_near_duplicates_and_leaks(make, chatml):
    long = "the quick brown fox jumps over the lazy dog near the river bank every single morning"
    make(*((f"{n}{n * 7919} tell me a story", f"{long} {n * 104729}") for n in range(40)))
    done = prepare("data", chatml, dedup="near", similarity=0.6)
    assert done.dropped[NEAR_DUPLICATE] > 20 and done.rows_kept + done.dropped[NEAR_DUPLICATE] == 40
    measured = prepare("data", chatml, split=0.5, leakage="drop", similarity=0.6)
    assert measured.dropped[LEAKS] > 5 and measured.rows_kept + measured.dropped[LEAKS] == 40
    assert measured.eval_rows < prepare("data", chatml, split=0.5).eval_rows


def test_rows_with_the_same_prompt_stay_together(make, chatml):
    make(*((f"question {n % 20}", f"answer {n}") for n in range(200)))
    done = prepare("data", chatml, split=0.4)
    sides = [{str(row["input_ids"][:14]) for row in part} for part in tables(done)]
    assert sides[0] and sides[1] and not sides[0] & sides[1]


def test_lengths_and_examples(make, chatml):
    make(("hi", "x"), ("hi", "x" * 300), ("hi", "y" * 90))
    done = prepare("data", chatml, max_length=150, min_length=20, overlength="truncate")
    assert sum(done.lengths) == 3 and done.truncated == 1
    assert done.trained_tokens < done.tokens
    strict = prepare("data", chatml, max_length=150, min_length=100)
    assert strict.dropped == {TOO_SHORT: 1, TOO_LONG: 1} and strict.examples == {TOO_SHORT: [1], TOO_LONG: [2]}
    assert [made.path for made in list_prepared("data")] == [strict.path, done.path]
