"""Prompts from everywhere: each once in a queue, with its lineage, its context and what is known of its answer."""

import json
import sqlite3

import pytest

from engine.chat import conversations
from engine.data import registry
from engine.data.records import Conversation
from engine.errors import BadInput
from engine.feedback import store
from engine.feedback.schema import Reply
from engine.labelling import desk, queues, sample, sources, tasks
from engine.labelling.progress import progress
from engine.labelling.schema import Prompt


def _prompts(found) -> list[Prompt]:
    return [prompt for prompt in found if isinstance(prompt, Prompt)]


def test_typed_lines(make_queue):
    queue = make_queue(prompts=0)
    assert tasks.add(queue.id, sources.typed("one\n\n  two \none\n", "Olga")) == tasks.Added(added=2, known=1)
    assert tasks.add(queue.id, sources.typed("two\nthree", "Olga")) == tasks.Added(added=1, known=1)
    assert progress(queue).left == 3


def test_the_same_prompt_may_be_in_two_queues(make_queue):
    first, second = make_queue("first", prompts=2), make_queue("second", prompts=2)
    assert progress(first).tasks == progress(second).tasks == 2


def test_a_text_file_gives_its_lines(tmp_path):
    path = tmp_path / "q.txt"
    path.write_bytes("\ufeffone\r\n\r\n二\r\n".encode())
    assert [(p.instruction, p.source) for p in _prompts(sources.file(path))] == [
        ("one", {"file": "q.txt", "line": 1}),
        ("二", {"file": "q.txt", "line": 3}),
    ]
    path.write_bytes("你好".encode("gbk"))
    with pytest.raises(BadInput, match="UTF-8"):
        list(sources.file(path))


def test_a_data_file_gives_prompts_with_their_answers(tmp_path, make_queue):
    path = tmp_path / "rows.jsonl"
    rows = [
        {"prompt": "What is 1 + 1?", "completion": "2"},
        {"prompt": "What is 1 + 1?", "completion": "two"},
        {"prompt": "", "completion": "nothing"},
        {"nonsense": True},
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    first, *_ = _prompts(sources.file(path))
    assert (first.instruction, first.reference, first.source) == (
        "What is 1 + 1?", "2", {"file": "rows.jsonl", "line": 1}
    )  # fmt: skip
    queue = make_queue(prompts=0)
    assert tasks.add(queue.id, sources.file(path)) == tasks.Added(added=1, known=1, unusable=2)


def test_a_datasets_prompts_bring_the_turns_before_them(sample_dataset):
    turns = [("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello"), ("user", "Who?"), ("assistant", "Me.")]
    talk = Conversation.model_validate({"messages": [{"role": role, "content": words} for role, words in turns]})
    registry.create("talk", [talk], [])
    (prompt,) = _prompts(sources.dataset("talk"))
    assert (prompt.system, prompt.instruction, prompt.reference) == ("Be kind.", "Who?", "Me.")
    assert [turn.content for turn in prompt.before] == ["Hi", "Hello"]
    assert prompt.source == {"dataset": "talk", "row": 1}
    assert len(_prompts(sources.dataset(sample_dataset))) == 40


def _chat(owner: str, *questions: str) -> list[int]:
    """A conversation; returns the numbers of its replies."""
    talk, replies, parent = conversations.create(owner), [], None
    for question in questions:
        asked = conversations.add_message(owner, talk.id, "user", question, parent)
        parent = conversations.add_message(owner, talk.id, "assistant", f"re {question}", asked.id).id
        replies.append(parent)
    return replies


def test_chat_logs_by_what_was_judged():
    first, _ = _chat("Ann", "one", "two")
    (secret,) = _chat("Bo", "Bo's secret")
    talk = conversations.find("Ann")[0]
    prompt = [{"role": "user", "content": "one"}]
    store.rate("Rae", prompt, Reply("re one", "m"), conversation_id=talk.id, message_id=first, verdict="bad",
               correction="ONE")  # fmt: skip
    everything = _prompts(sources.own_chats("Ann", unjudged_only=False))
    assert [(p.instruction, len(p.before)) for p in everything] == [("one", 0), ("two", 2)]
    assert everything[1].source == {"conversation": talk.id, "message": first + 1}
    assert [p.instruction for p in _prompts(sources.own_chats("Ann", unjudged_only=True))] == ["two"]
    (bad,) = _prompts(sources.judged_bad())
    assert (bad.instruction, bad.reference, bad.source) == ("one", "ONE", {"feedback": 1})
    assert secret and "Bo's secret" not in str(everything)


def test_what_cannot_become_a_row_is_counted_and_not_added(make_queue):
    store.rate("Rae", [{"role": "assistant", "content": "I begin"}], Reply("x", "m"), verdict="bad")
    queue = make_queue(prompts=0)
    assert tasks.add(queue.id, sources.judged_bad()) == tasks.Added(unusable=1)


def test_thousands_of_prompts_are_added_in_batches(make_queue, studio_home):
    queue = make_queue(prompts=0)
    assert tasks.add(queue.id, sources.typed("\n".join(map(str, range(5000))), "Olga")).added == 5000
    work = desk.take(queue.id, "Ann")
    assert work and work.instruction == "0"
    with sqlite3.connect(studio_home / "var/studio.db") as db:
        plan = db.execute(
            "EXPLAIN QUERY PLAN SELECT id FROM labelling_tasks WHERE queue_id = 1 AND places_taken < 1 "
            "ORDER BY places_taken DESC, id LIMIT 1"
        ).fetchall()
    assert "labelling_next" in str(plan) and "TEMP B-TREE" not in str(plan), "the next task is looked up, not searched"


def test_the_sample_has_ten_prompts():
    assert progress(sample.create("Ann")).left == 10
    assert [queue.name for queue in queues.list_queues()] == [sample.NAME]
