"""Prepared datasets: what is in them, that the same is not made twice, and that a killed preparation leaves nothing half."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.data import registry
from engine.data.prepare import DUPLICATE, NOTHING_TRAINED, REFUSED, TOO_LONG, Prepared, load, prepare
from engine.data.records import Conversation, Unpaired
from engine.data.tokenise import TemplateProblem, encode
from engine.errors import BadInput


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


def test_what_raises_in_progress_stops_it_whole(make, chatml):
    make(("a", "b"))

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare("data", chatml, "tiny", progress=stop)
    assert not [path for path in registry.prepared_folder("data").iterdir() if path.is_dir()]


def test_progress(make, chatml):
    make(*((str(n), "x") for n in range(250)))
    seen = []
    prepare("data", chatml, "tiny", progress=lambda *counts: seen.append(counts))
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
        (lambda: prepare("data", chatml, "tiny", split=1.0), "below 1"),
        (lambda: prepare("data", chatml, "tiny", split=-0.1), "below 1"),
        (lambda: prepare("data", chatml, "tiny", max_length=0), "at least 1 token"),
    ]:
        with pytest.raises(BadInput, match=sentence):
            call()


# Each child dies by SIGKILL at its own step of the preparation: whenever Python opens, makes, renames or removes something
# below prepared/, or rows are done. It ends with the first child that lived to see the folder in its place.
DYING = """
import os, signal, sys
from transformers import AutoTokenizer
import datasets, datasets.arrow_writer, pyarrow
from engine.data.prepare import prepare

tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])

def child(step):
    met = 0
    def die(*_):
        nonlocal met
        met += 1
        if met == step:
            os.kill(os.getpid(), signal.SIGKILL)
    def hook(event, arguments):
        if event in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir") and "/prepared/" in str(arguments[0]):
            die()
    sys.addaudithook(hook)
    prepare("data", tokenizer, "tiny", split=0.5, progress=die)

step = 0
while True:
    step += 1
    pid = os.fork()
    if not pid:
        child(step)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    whole = [path for path in os.scandir(sys.argv[2]) if path.is_dir() and not path.name.startswith(".")]
    half = [path for path in os.scandir(sys.argv[2]) if path.is_dir() and path.name.startswith(".")]
    print(step, os.WTERMSIG(status), os.WEXITSTATUS(status), len(whole), len(half), flush=True)
    if whole:  # a later death is only one of reading
        break
"""


def test_a_killed_preparation_leaves_nothing_half(make, chatml, tmp_path):
    make(*((str(n), "x") for n in range(120)))
    chatml.save_pretrained(tmp_path / "tokenizer")
    folder = registry.prepared_folder("data")
    leftover = folder / ".0123456789abcdef.building"  # of another request that was killed
    leftover.mkdir()
    output = subprocess.run(
        [sys.executable, "-c", DYING, str(tmp_path / "tokenizer"), str(folder)],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "HF_HUB_OFFLINE": "1"},
    ).stdout
    *killed, last = [[int(number) for number in line.split()] for line in output.splitlines()]
    assert len(killed) > 10 and {signal for _, signal, *_ in killed} == {9}
    assert all(half <= 1 for *_, half in killed) and any(
        half for *_, half in killed
    )  # each removes what the last one left
    assert last[3:] == [1, 0]
    assert not leftover.exists()
    whole = prepared_folders()
    done = prepare("data", chatml, "tiny", split=0.5)
    assert [done.path] == whole  # what the children made was found, and is complete
    train, evaluation = tables(done)
    assert len(train) + len(evaluation) == done.rows_kept == 120
