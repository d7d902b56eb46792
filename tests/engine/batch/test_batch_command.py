"""`batch` and `results` as a person runs them: real processes, stopped, killed and resumed."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time

import psutil
import pytest

from engine.batch.results import results_file
from engine.runs import list_runs
from engine.settings import ROOT
from tests.conftest import PROVE

ROWS = 500 if PROVE else 40


def _table(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def source(write_csv):
    """Rows that take the tiny model a moment each; with Chinese, quotes and line breaks."""
    return write_csv(
        "in.csv",
        [{"编号": str(n), "text": f'第 {n} 行：“天气”\nis "it" {"very " * (n % 7)}fine?'} for n in range(ROWS)],
    )


@pytest.fixture
def begin(studio_home):
    """Start a command and return its process, in a group of its own."""
    processes = []

    def start(*arguments: object) -> subprocess.Popen:
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "engine", *map(str, arguments)],
                cwd=ROOT,
                env={**os.environ, "STUDIO_HOME": str(studio_home)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                text=True,
            )
        )
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def _wait_for_rows(process: subprocess.Popen, out, rows: int):
    """The run that writes this file, once it has so many results."""
    deadline = time.monotonic() + 300
    while True:
        for run in list_runs():
            if (
                run.spec()["out"] == str(out)
                and results_file(run).exists()
                and results_file(run).read_bytes().count(b"\n") >= rows
            ):
                return run
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.01)


def _command(source, out, *more):
    return [
        "batch",
        source,
        "--prompt-template",
        "{text}",
        "--model",
        "tiny",
        "--max-new-tokens",
        96,  # long enough that a stop comes before the end, however fast the machine
        "--out",
        out,
        *more,
    ]


def test_the_contract(studio, tiny, source, tmp_path):
    out = tmp_path / "out.csv"
    code, document, errors = studio(
        *_command(source, out, "--system", "No. {编号}", "--batch-size", 8, "--seed", 3, "--temperature", 1, "--json")
    )
    assert code == 0, errors
    assert (document["rows"], document["done"], document["failed"], document["file"]) == (ROWS, ROWS, 0, str(out))
    assert document["rows_per_second"] > 0 and document["status"] == "finished"
    given, written = _table(source), _table(out)
    assert [list(row) for row in written] == [["编号", "text", "reply"]] * ROWS
    assert [{name: row[name] for name in ("编号", "text")} for row in written] == given
    assert all(row["reply"] for row in written)

    code, shown, _ = studio("runs", "show", document["run"], "--json")
    assert (shown["status"], shown["step"], shown["unit"], shown["file"]) == ("finished", ROWS, "rows", "in.csv")
    assert shown["command"].startswith("python -m engine batch ") and "--seed 3" in shown["command"]
    code, _, errors = studio(*_command(source, out))
    assert code == 2 and "There is already a file" in errors  # nothing that is there is written over
    other = tmp_path / "other.xlsx"
    code, taken, errors = studio(
        "results", document["run"], "--out", other, "--dataset", "answers", "--queue", "q", "--json"
    )
    assert code == 0, errors
    assert (taken["written"], taken["dataset"]["rows"], taken["queue"]["tasks"]) == (ROWS, ROWS, ROWS)


def test_ctrl_c_stops_and_the_same_command_goes_on(studio, tiny, source, tmp_path, begin):
    out = tmp_path / "out.csv"
    process = begin(*_command(source, out, "--batch-size", 2, "--json"))
    run = _wait_for_rows(process, out, 3)
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 1, errors
    assert f"runs resume {run.id}" in errors and len(errors.strip().splitlines()) == 1
    document = json.loads(output)
    assert document["status"] == "stopped" and 3 <= document["done"] < ROWS and not out.exists()
    first = results_file(run).read_bytes()
    code, document, errors = studio(*_command(source, out, "--batch-size", 2, "--json"))
    assert code == 0, errors
    assert document["run"] == run.id and document["done"] == ROWS and len(_table(out)) == ROWS
    assert results_file(run).read_bytes().startswith(first)  # nothing was asked twice


def test_killed_at_a_random_moment_and_resumed(studio, tiny, source, tmp_path, begin, proof):
    """Every row exactly once, in order, with the replies that an undisturbed run gives.

    Other company changes the last digits of a row's logits, so that rarely another token is drawn: a row in fifty may differ.
    """
    whole, out = tmp_path / "whole.csv", tmp_path / "out.csv"
    code, _, errors = studio(*_command(source, whole, "--temperature", 1, "--top-k", 5))
    assert code == 0, errors
    process = begin(*_command(source, out, "--temperature", 1, "--top-k", 5, "--batch-size", 4))
    moment = random.Random(time.time_ns()).randrange(1, ROWS - 5)
    run = _wait_for_rows(process, out, moment)
    worker = psutil.Process(run.status().process[0])  # pyright: ignore[reportOptionalSubscript]
    os.killpg(process.pid, signal.SIGKILL)
    psutil.wait_procs([worker], timeout=10)
    assert not worker.is_running(), "what does the work ends with the command"
    assert run.status().state == "lost" and not out.exists()
    kept = results_file(run).read_bytes().count(b"\n")
    with results_file(run).open("ab") as file:
        file.write(b'{"row":1,"repl')  # what a kill may leave of a line
    code, _, errors = studio("runs", "resume", run.id, "--wait", "--json")
    assert code == 0, errors
    rows = [json.loads(line)["row"] for line in results_file(run).read_text(encoding="utf-8").splitlines()]
    assert sorted(rows) == list(range(1, ROWS + 1)), "every row exactly once"
    pairs = list(zip(_table(whole), _table(out), strict=True))
    assert all(one["编号"] == other["编号"] and one["text"] == other["text"] and other["reply"] for one, other in pairs)
    same = sum(one == other for one, other in pairs)
    proof("8.4-batch-kill", rows=ROWS, killed_after=kept, rows_in_results=len(rows), same_replies_as_undisturbed=same)
    assert same >= 0.98 * ROWS


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--prompt-template", "{question}"], "has no column “question”: it has 编号, text"),
        (["--prompt-template", "{text"], "a brace without a column"),
        ([], "one of the two"),
        (["--prompt-template", "{text}", "--json-schema", "nowhere.json"], "There is no JSON schema in “nowhere.json”"),
        (["--prompt-template", "{text}", "--batch-size", "0"], "batch_size cannot be 0"),
        (["--prompt-template", "{text}", "--temperature", "-1"], "temperature must be at least 0"),
        (["--prompt-template", "{text}", "--gpus", "99"], "There is no GPU 99"),
        (["--prompt-template", "{text}", "--compare", "nobody"], "There is no adapter “nobody”"),
    ],
)
def test_bad_input_is_one_sentence_and_no_run(studio, tiny, source, tmp_path, flags, words):
    code, _, errors = studio("batch", source, "--model", tiny, "--out", tmp_path / "out.csv", *flags)
    assert code == 2 and words in errors and len(errors.strip().splitlines()) == 1, errors
    assert list_runs() == []


def test_two_copies_answer_all_rows_and_it_is_said(studio, tiny, source, tmp_path):
    code, told, errors = studio(*_command(source, tmp_path / "out.csv"), STUDIO_COPIES="2", CUDA_VISIBLE_DEVICES="")
    assert code == 0, errors
    assert "STUDIO_COPIES asks for 2 copies" in told.split("Rows:")[0]
    assert [bool(row["reply"]) for row in _table(tmp_path / "out.csv")] == [True] * ROWS


def test_preview_asks_nothing(studio, tiny, source, tmp_path):
    code, shown, _ = studio(*_command(source, tmp_path / "out.csv", "--preview", "--json"))
    assert code == 0 and [row["row"] for row in shown] == [1, 2, 3] and list_runs() == []
    assert shown[1]["messages"] == [{"role": "user", "content": _table(source)[1]["text"]}]
