"""Labels become rows, each once, and each row says where it came from."""

import pytest

from engine.data import registry
from engine.data.records import Conversation, Message, Preference
from engine.database import writing
from engine.errors import BadInput
from engine.labelling import desk, export, queues, review, tasks
from engine.labelling.schema import AssignmentRow, Prompt
from tests.engine.labelling.conftest import minute


def _label(queue, who, output, instruction=None) -> int:
    work = desk.take(queue.id, who, minute(0))
    assert work is not None
    return desk.save(work.assignment.id, who, output, instruction, at=minute(1)).id


def test_a_row_says_which_task_it_is_and_whose(make_queue):
    queue = make_queue(prompts=0, review=True)
    prompt = Prompt(
        instruction="Translate.", input="Hallo", system="Be brief.", source={"file": "q.txt", "line": 3},
        before=[Message(role="user", content="Hi"), Message(role="assistant", content="Hello")],
    )  # fmt: skip
    tasks.add(queue.id, [prompt])
    answer = _label(queue, "Ann", "Helo", instruction="Translate into English.")
    assert list(export.to_records(queue)) == [], "it is not reviewed yet"
    review.accept(answer, "Rae", "Hello")
    (row,) = export.to_records(queue)
    assert [(turn.role, turn.content) for turn in row.messages] == [
        ("system", "Be brief."),
        ("user", "Hi"),
        ("assistant", "Hello"),
        ("user", "Translate into English.\n\nHallo"),
        ("assistant", "Hello"),
    ]
    source = {"labelling": "q", "task": 1, "label": answer, "annotator": "Ann", "reviewer": "Rae"}
    assert row.source == {**source, "from": {"file": "q.txt", "line": 3}}


def test_each_label_becomes_a_row_once(make_queue):
    queue = make_queue(dataset="taught")
    with pytest.raises(BadInput, match="nothing"):
        export.make_dataset(queue)
    _label(queue, "Ann", "one")
    assert export.count_new(queue) == 1
    assert export.make_dataset(queue).rows == 1
    assert export.count_new(queue) == 0
    _label(queue, "Bo", "two")
    assert export.make_dataset(queue, by="Bo").rows == 2
    rows = [row for row in registry.iterate("taught") if isinstance(row, Conversation)]
    assert [row.messages[-1].content for row in rows] == ["one", "two"]
    assert registry.card("taught").sources == [{"labelling": "q"}]


def test_an_export_that_was_killed_before_it_was_marked_adds_no_row_twice(make_queue):
    queue = make_queue(dataset="taught")
    _label(queue, "Ann", "one")
    export.make_dataset(queue)
    with writing() as db:
        db.query(AssignmentRow).update({"exported": None})
    _label(queue, "Ann", "two")
    assert export.make_dataset(queue).rows == 2
    assert export.count_new(queue) == 0


def test_a_deleted_dataset_is_made_whole_again(make_queue):
    queue = make_queue(dataset="taught")
    _label(queue, "Ann", "one")
    export.make_dataset(queue)
    registry.delete("taught")
    _label(queue, "Ann", "two")
    assert export.count_new(queue) == 2
    assert export.make_dataset(queue).rows == 2


def test_another_dataset_gets_everything(make_queue):
    queue = make_queue(dataset="taught")
    _label(queue, "Ann", "one")
    export.make_dataset(queue)
    queue = queues.change(queue.id, dataset="other")
    assert export.make_dataset(queue).rows == 1


def test_a_dataset_of_another_kind_is_refused_and_nothing_is_marked(make_queue):
    user, reply = [{"role": "user", "content": "?"}], [{"role": "assistant", "content": "a"}]
    pair = {"prompt": user, "chosen": reply, "rejected": [{"role": "assistant", "content": "b"}]}
    registry.create("pairs", [Preference.model_validate(pair)], [])
    queue = make_queue(dataset="pairs")
    _label(queue, "Ann", "one")
    with pytest.raises(BadInput):
        export.make_dataset(queue)
    assert export.count_new(queue) == 1


def test_an_exported_label_cannot_be_changed_any_more(make_queue):
    queue = make_queue()
    _label(queue, "Ann", "one")
    export.make_dataset(queue)
    assert not desk.can_take_back(queue.id, "Ann")


def test_more_labels_than_a_batch_come_in_order(make_queue, monkeypatch):
    monkeypatch.setattr(export, "_BATCH", 2)
    queue = make_queue(prompts=5, overlap=2)
    for who in ("Ann", "Bo"):
        for number in range(5):
            _label(queue, who, f"{who} {number}")
    wanted = [f"{who} {number}" for number in range(5) for who in ("Ann", "Bo")]
    assert [row.messages[-1].content for row in export.to_records(queue)] == wanted
    assert export.make_dataset(queue).rows == 10
    assert export.count_new(queue) == 0
