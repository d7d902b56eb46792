"""Notes, samples and logs of a run: read whole, limits said in a sentence, damaged or strange files passed over."""

import pytest

from engine.errors import BadInput
from engine.files import read_tail, write_json
from engine.runs import create_run
from engine.runs.logs import rank_logs
from engine.runs.notes import Notes, read_notes, write_notes
from engine.runs.samples import read_samples, sample_steps


@pytest.fixture
def run():
    return create_run("sft", {}, "python -m engine train sft", adapter="a")


def test_notes_come_back_as_they_were_written(run):
    assert read_notes(run) == Notes()
    write_notes(run, "Higher rate, 更快\n", ["base line", " base  line ", "", "慢"])
    assert read_notes(run) == Notes(text="Higher rate, 更快\n", tags=["base line", "慢"])


@pytest.mark.parametrize(
    ("text", "tags"), [("x" * 10_001, []), ("", ["x" * 31]), ("", [str(number) for number in range(21)])]
)
def test_notes_that_are_too_long_are_refused_and_change_nothing(run, text, tags):
    write_notes(run, "before", [])
    with pytest.raises(BadInput):
        write_notes(run, text, tags)
    assert read_notes(run).text == "before"


@pytest.mark.parametrize("content", ["{", "[]", '{"text": 3}', "\xff"])
def test_a_damaged_note_counts_as_none(run, content):
    (run.path / "notes.json").write_bytes(content.encode("latin-1"))
    assert read_notes(run) == Notes()


def test_samples_are_listed_by_step_and_damaged_ones_are_empty(run):
    prompt = [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}]
    write_json(run.path / "samples" / "step-100.json", {"step": 100, "samples": [{"prompt": prompt, "reply": "r"}]})
    (run.path / "samples" / "step-20.json").write_text('{"samples": [{"prompt"')
    (run.path / "samples" / "step-x.json").touch()
    assert sample_steps(run) == [20, 100]
    assert [(sample.question, sample.reply) for sample in read_samples(run, 100)] == [("q", "r")]
    assert read_samples(run, 20) == read_samples(run, 7) == []


def test_each_process_has_its_log_and_a_tail_is_its_last_lines(run):
    assert rank_logs(run) == {} and read_tail(run.log) == ""
    (run.path / "logs").mkdir()
    for rank in (0, 10, 2):
        (run.path / "logs" / f"rank-{rank}.txt").write_text("\n".join(f"{rank}: {n}" for n in range(9000)) + "\n")
    assert list(rank_logs(run)) == [0, 2, 10]
    assert read_tail(rank_logs(run)[10], 2) == "10: 8998\n10: 8999"
