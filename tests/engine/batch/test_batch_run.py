"""The run itself: in this process over the tiny model, or over a host that answers by a script."""

import json
import threading
import time

import pytest

from engine.batch import generation, scoring
from engine.batch.generation import run_batch
from engine.batch.onward import to_dataset, to_labelling
from engine.batch.results import Appender, Result, first_results, problems, results, results_file
from engine.batch.source import read_source
from engine.batch.writing import write_results
from engine.data import registry
from engine.errors import BadInput, Failure
from engine.jobs.batch import rerun_failed
from engine.labelling import desk
from engine.models.host import host
from engine.runs import Stopped
from tests.engine.batch.scripted import ScriptedHost

PROMPTS = [{"text": f"Word {number}: say something about it."} for number in range(12)]


@pytest.fixture(autouse=True)
def unloaded():
    """The process's host is used, so it is left empty."""
    yield
    host().unload()


@pytest.fixture
def script(monkeypatch):
    """`script(answer)` puts a scripted host in the host's place."""

    def put(answer, **options) -> ScriptedHost:
        scripted = ScriptedHost(answer, **options)
        for module in (generation, scoring):
            monkeypatch.setattr(module, "host", lambda: scripted)
        return scripted

    return put


def stop_after(run, rows: int) -> None:
    """Put down the stop flag once so many rows have a result."""

    def watch() -> None:
        while not results_file(run).exists() or results_file(run).read_bytes().count(b"\n") < rows:
            time.sleep(0.001)
        run.request_stop()

    threading.Thread(target=watch, daemon=True).start()


def _replies(run) -> dict[int, str | None]:
    found = first_results(run, limit=10_000)
    return {result.row: result.replies.get("reply") for _, result in found}


def test_rows_that_cannot_be_answered_are_marked_and_the_rest_is_done(tiny, make_run, write_csv, tmp_path):
    """Over the model's length, empty, and one that makes it go round in circles."""
    rows = [*PROMPTS[:3], {"text": "word " * 600}, {"text": "  "}, *PROMPTS[3:5]]
    run = make_run(write_csv("in.csv", rows), prompt_template="{text}", max_new_tokens=120, out=tmp_path / "out.csv")
    run_batch(run)
    counts = results(run)
    assert (counts.rows, counts.done, counts.failed, counts.left) == (7, 5, 2, 0)
    long, empty = problems(run, marked=False)
    assert (long.row, empty.row) == (4, 5)
    assert "reads at most 512" in str(long.why) and empty.why == "the prompt is empty"
    circles = [result for result in problems(run) if "repeats" in result.marks]
    assert circles and all(not result.failed and "length" in result.marks for result in circles)  # a random model loops
    status = run.status()
    assert status.step == status.max_steps == 7 and status.unit == "rows"
    assert counts.rows_per_second > 0 and counts.tokens_per_second > 0
    assert status.result["file"] == str(tmp_path / "out.csv")
    assert len((tmp_path / "out.failed.jsonl").read_text().splitlines()) == 2 + counts.marked


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_replies_depend_on_neither_width_nor_a_stop(tiny, make_run, write_csv, temperature):
    source = write_csv("in.csv", PROMPTS)
    # few tokens to draw from: of the tiny model's 49,152 nearly even ones, rounding alone may tip the scales
    options = {"prompt_template": "{text}", "temperature": temperature, "top_k": 5, "seed": 7}
    whole = make_run(source, **options)
    run_batch(whole)
    expected = _replies(whole)
    assert len(expected) == len(PROMPTS) and None not in expected.values()

    narrow = make_run(source, batch_size=1, **options)
    stop_after(narrow, rows=3)
    with pytest.raises(Stopped):
        run_batch(narrow)
    assert 3 <= len(_replies(narrow)) < len(PROMPTS)
    narrow.clear_stop()
    run_batch(narrow)
    assert _replies(narrow) == expected
    if temperature:
        other = make_run(source, **{**options, "seed": 8})
        run_batch(other)
        assert _replies(other) != expected


def test_a_torn_line_is_repaired_and_its_row_asked_again(tiny, make_run, write_csv):
    run = make_run(write_csv("in.csv", PROMPTS[:4]), prompt_template="{text}")
    run_batch(run)
    expected, path = _replies(run), results_file(run)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]) + lines[2][:20])
    run_batch(run)
    assert _replies(run) == expected
    assert len(path.read_bytes().splitlines()) == 4


def test_rows_in_flight_are_bounded_and_busy_is_waited_out(tiny, make_run, write_csv, script):
    scripted = script(lambda messages, sampling, adapter: messages[-1]["content"], busy=3, delay=0.02)
    run = make_run(write_csv("in.csv", PROMPTS), prompt_template="{text}", batch_size=4)
    run_batch(run)
    assert list(_replies(run).values()) == [row["text"] for row in PROMPTS]
    assert scripted.most_open <= 4 and len({sampling.seed for sampling in scripted.asked}) == len(PROMPTS)


def test_json_is_asked_for_again_with_other_seeds(tiny, make_run, write_csv, script):
    """Row 1 at once, row 2 at the third time, row 3 never."""
    seen: dict[str, int] = {}

    def answer(messages, sampling, adapter):
        name = messages[-1]["content"]
        seen[name] = seen.get(name, 0) + 1
        return '{"n": 1}' if name == "first" or (name == "second" and seen[name] == 3) else '{"n": "one"}'

    scripted = script(answer)
    schema = '{"properties": {"n": {"type": "integer"}}}'
    source = write_csv("in.csv", [{"text": name} for name in ("first", "second", "third")])
    run = make_run(source, prompt_template="{text}", json_schema=schema)
    run_batch(run)
    assert _replies(run) == {1: '{"n": 1}', 2: '{"n": 1}', 3: None}
    (failed,) = problems(run)
    assert failed.row == 3 and failed.attempts == 3 and "does not follow the schema" in str(failed.why)
    assert failed.said == {"reply": '{"n": "one"}'}
    assert seen == {"first": 1, "second": 3, "third": 3}
    assert len({sampling.seed for sampling in scripted.asked}) == 7
    # greedy at first; a retry must be able to say something else
    assert sorted({sampling.temperature for sampling in scripted.asked}) == [0.0, generation.RETRY_TEMPERATURE]


def test_json_of_a_real_model(starter, make_run, write_csv):
    rows = [{"name": "Ann", "age": "31"}, {"name": "Bo", "age": "44"}]
    schema = '{"properties": {"name": {"type": "string"}, "age": {"type": "integer"}}, "required": ["name", "age"]}'
    template = 'Copy this JSON exactly, and write nothing else: {{"name": "{name}", "age": {age}}}'
    run = make_run(
        write_csv("in.csv", rows), model=starter, prompt_template=template, json_schema=schema, max_new_tokens=40
    )
    run_batch(run)
    assert [json.loads(reply or "null") for reply in _replies(run).values()] == [
        {"name": "Ann", "age": 31},
        {"name": "Bo", "age": 44},
    ]


def test_failed_rows_alone_are_asked_again(tiny, make_run, write_csv, script, monkeypatch):
    monkeypatch.setattr("engine.jobs.queue.start", lambda run, attached=False: None)
    scripted = script(lambda messages, sampling, adapter: "no" if messages[-1]["content"] == "b" else "[1, {}]")
    run = make_run(
        write_csv("in.csv", [{"text": name} for name in "abc"]),
        prompt_template="{text}",
        json_mode=True,
        json_retries=1,
    )
    run_batch(run)
    run.update(state="finished")
    assert results(run).failed == 1 and [result.row for result in problems(run)] == [2]
    asked = {sampling.seed for sampling in scripted.asked}
    again = script(lambda messages, sampling, adapter: '{"now": true}')
    assert rerun_failed(run) == 1
    run_batch(run)
    assert _replies(run) == {1: "[1, {}]", 2: '{"now": true}', 3: "[1, {}]"} and not problems(run)
    assert len(again.asked) == 1 and again.asked[0].seed not in asked
    run.update(state="finished")
    with pytest.raises(BadInput, match="there is nothing to ask again"):
        rerun_failed(run)


def test_a_failure_that_is_no_rows_ends_the_run_and_keeps_what_came(tiny, make_run, write_csv, script):
    def answer(messages, sampling, adapter):
        if messages[-1]["content"] == "c":
            time.sleep(0.2)
            raise Failure("The model was unloaded: ask again to load it anew.")
        return "yes"

    script(answer)
    run = make_run(write_csv("in.csv", [{"text": name} for name in "abc"]), prompt_template="{text}")
    with pytest.raises(Failure, match="unloaded"):
        run_batch(run)
    assert _replies(run) == {1: "yes", 2: "yes"}


def test_two_adapters_a_reference_and_what_follows(tiny, make_run, make_adapter, write_csv, tmp_path):
    make_adapter("red", tiny, seed=1)
    make_adapter("blue", tiny, seed=2)
    rows = [{**row, "right": "北京是中国的首都"} for row in PROMPTS[:3]]
    run = make_run(
        write_csv("in.csv", rows), prompt_template="{text}", system="Be brief", adapter="red", adapter_b="blue",
        reference="right", out=tmp_path / "out.jsonl",
    )  # fmt: skip
    run_batch(run)
    found = first_results(run)
    assert all(result.replies["reply"] != result.replies["reply_b"] for _, result in found)
    alone = make_run(tmp_path / "in.csv", prompt_template="{text}", system="Be brief", adapter="blue")
    run_batch(alone)
    assert list(_replies(alone).values()) == [result.replies["reply_b"] for _, result in found]
    assert results(run).scores.keys() == {"reply", "reply_b"}
    assert results(run).scores["reply"].keys() == {"bleu", "rouge_1", "rouge_2", "rouge_l", "exact_match"}

    card = to_dataset(run, "answers", "reply_b")
    row = registry.rows("answers")[1]
    assert card.rows == 3 and card.sources[0]["adapter"] == "blue" and card.sources[0]["batch"] == run.id
    assert row.source == {"batch": run.id, "row": 2}
    assert [turn.role for turn in row.messages] == ["system", "user", "assistant"]  # pyright: ignore
    assert row.messages[-1].content == found[1][1].replies["reply_b"]  # pyright: ignore
    queue, added = to_labelling(run, "check", "Ann")
    work = desk.take(queue.id, "Bo")
    assert added.added == 3 and work and work.task.system == "Be brief"
    assert (work.task.instruction, work.task.reference) == (rows[0]["text"], found[0][1].replies["reply"])
    with pytest.raises(BadInput, match="has no column"):
        to_dataset(alone, "more", "reply_b")


def test_scores_know_chinese(tiny, make_run, write_csv, script):
    script(lambda messages, sampling, adapter: messages[-1]["content"])
    rows = [
        {"text": "今天天气很好", "right": "今天天气很好"},
        {"text": "我不知道", "right": "明天天气很好"},
        {"text": "x", "right": ""},
    ]
    run = make_run(write_csv("in.csv", rows), prompt_template="{text}", reference="right")
    run_batch(run)
    scores = results(run).scores["reply"]
    assert (
        scores["exact_match"] == 50 and 45 < scores["rouge_1"] < 60 and scores["bleu"] > 20
    )  # an empty one does not count


def test_a_judge(tiny, make_run, make_reward, make_adapter, write_csv, script, tmp_path):
    make_reward("judge", tiny)
    make_adapter("red", tiny, seed=1)
    script(lambda messages, sampling, adapter: "Hello")
    run = make_run(
        write_csv("in.csv", PROMPTS[:3]),
        prompt_template="{text}",
        adapter="red",
        adapter_b="base",
        judge="judge",
        out=tmp_path / "o.csv",
    )
    run_batch(run)
    scores = results(run).scores
    assert scores["reply"]["reward"] == pytest.approx(scores["reply_b"]["reward"])  # the same words
    assert scores["reply_b"]["win_rate"] == 50 and results(run).judged == 3
    header, *rows = (tmp_path / "o.csv").read_text().splitlines()
    assert header == "text,reply,reply_b,reward,reward_b" and float(rows[0].split(",")[-1]) == pytest.approx(
        float(rows[0].split(",")[-2])
    )


def test_results_while_rows_are_missing(tiny, make_run, write_csv, tmp_path):
    from tests.engine.batch.conftest import answered

    run = answered(make_run(write_csv("in.csv", PROMPTS), prompt_template="{text}"), [Result(3, {"reply": "x"})])
    assert [result.row for _, result in first_results(run)] == [3]
    write_results(run, tmp_path / "part.jsonl")
    assert (tmp_path / "part.jsonl").read_text().count('"reply":null') == len(PROMPTS) - 1
    with Appender(run) as appender:
        appender.append(Result(3, reason="the prompt is empty"))  # the last line of a row counts
    assert problems(run)[0].row == 3 and read_source(run).rows == len(PROMPTS)
