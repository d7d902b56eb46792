"""Datasets: in, out, and what must not happen to them."""

import json

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine.data import SAMPLE, importing, registry
from engine.data.records import Conversation, Preference
from engine.errors import BadInput
from engine.files import sha256
from engine.runs import create_run, lock
from engine.settings import settings

TEXT = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from("中文😀👩‍🚀\"'\\\n\r\u2028\u0085\x00 "), max_size=40
)
TURN = st.tuples(TEXT, TEXT.filter(str.strip))


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(rows=st.lists(st.lists(TURN, min_size=1, max_size=3), min_size=1, max_size=4), ascii=st.booleans())
def test_messages_come_back_as_they_went_in(rows, ascii, tmp_path, talk):
    conversations = [talk(*(text for turn in row for text in turn)) for row in rows]
    path = tmp_path / "in.jsonl"
    path.write_bytes("".join(json.dumps(row, ensure_ascii=ascii) + "\n" for row in conversations).encode())
    if "again" in {card.name for card in registry.list_datasets()}:
        registry.delete("again")
    assert importing.import_files([path], "again").broken == 0
    assert [row.model_dump(exclude_defaults=True) for row in registry.iterate("again")] == conversations


def test_import_lists_broken_lines_and_keeps_the_rest(write, talk):
    one = write("one.jsonl", talk("a", "b"), "oops", "", talk("c", ""))
    two = write("two.jsonl", {"prompt": "d", "completion": "e"}, '{"prompt": 1, "completion": "e"}')
    imported = importing.import_files([one, two], "mixed")
    assert (imported.name, imported.rows, imported.broken) == ("mixed", 2, 3)
    broken = [json.loads(line) for line in imported.broken_file.read_text().splitlines()]
    assert [(line["file"], line["line"]) for line in broken] == [("one.jsonl", 2), ("one.jsonl", 4), ("two.jsonl", 2)]
    assert all(line["reason"] for line in broken)
    assert [row.model_dump()["messages"][0]["content"] for row in registry.iterate("mixed")] == ["a", "d"]


def test_card(write, talk):
    path = write("one.jsonl", talk("a", "b"), "oops")
    importing.import_files([path], "shown")
    card = registry.card("shown")
    assert (card.name, card.kind, card.rows, card.broken) == ("shown", "messages", 1, 1)
    assert card.sources == [{"file": "one.jsonl", "sha256": sha256(path), "format": "messages"}]
    assert card.content_sha256 == sha256(settings().datasets / "shown" / "rows.jsonl")


@pytest.mark.parametrize("name", ["../out", "a/../../out", "..", "", ".hidden", "/tmp/out", "a\x00b", "x" * 81])
@pytest.mark.parametrize("call", ["import", "create", "append", "card", "rows", "delete"])
def test_names_stay_in_their_folder(name, call, write, talk, tmp_path):
    record = Conversation.model_validate(talk("a", "b"))
    calls = {
        "import": lambda: importing.import_files([write("a.jsonl", talk("a", "b"))], name),
        "create": lambda: registry.create(name, [record], []),
        "append": lambda: registry.append(name, [record]),
        "card": lambda: registry.card(name),
        "rows": lambda: registry.rows(name),
        "delete": lambda: registry.delete(name),
    }
    with pytest.raises(BadInput, match="cannot be a name"):
        calls[call]()
    assert not list(tmp_path.rglob("rows.jsonl"))


def test_chinese_names(write, talk):
    importing.import_files([write("a.jsonl", talk("你好", "您好"))], "问答集")
    assert [card.name for card in registry.list_datasets()] == ["问答集"]


@pytest.mark.parametrize("lines", [[], ["oops", "{}"]])
def test_no_good_row_leaves_nothing(lines, write):
    with pytest.raises(BadInput, match=r"is empty|has no format that can be recognised"):
        importing.import_files([write("a.jsonl", *lines)], "none", "messages")
    assert registry.list_datasets() == []
    registry.create("none", [Conversation.model_validate({"messages": TALK})], [])  # the name is still free


TALK = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]


def test_refusals(write, talk, tmp_path):
    path = write("a.jsonl", talk("a", "b"))
    pairs = write("pairs.jsonl", {"prompt": "a", "chosen": "b", "rejected": "c"})
    importing.import_files([path], "taken")
    for files, name, format, sentence in [
        ([path], "taken", "auto", "already a dataset"),
        ([], "new", "auto", "at least one file"),
        ([tmp_path / "gone.jsonl"], "new", "auto", "There is no file"),
        ([tmp_path], "new", "auto", "There is no file"),
        ([path], "new", "sharegpt2", "is not a format"),
        ([path, pairs], "new", "auto", "several kinds"),
    ]:
        with pytest.raises(BadInput, match=sentence):
            importing.import_files(files, name, format)
    assert [card.name for card in registry.list_datasets()] == ["taken"]


def test_create_and_append(talk):
    first, second = (Conversation.model_validate(talk(text, "b")) for text in "ac")
    registry.create("made", [first.model_copy(update={"source": {"feedback": [3]}})], [{"feedback": "all"}])
    before = registry.card("made")
    after = registry.append("made", iter([second]))
    assert (after.rows, after.added, after.sources) == (2, 1, [{"feedback": "all"}])
    assert after.content_sha256 == sha256(settings().datasets / "made" / "rows.jsonl") != before.content_sha256
    assert registry.card("made") == after
    assert [row.source for row in registry.iterate("made")] == [{"feedback": [3]}, {}]
    assert registry.rows("made", offset=1, limit=5) == [second]


def test_one_kind_a_dataset(talk):
    turn, reply = ([message] for message in TALK)
    pair = Preference.model_validate(
        {"prompt": turn, "chosen": reply, "rejected": [{"role": "assistant", "content": "no"}]}
    )
    registry.create("made", [Conversation.model_validate(talk("a", "b"))], [])
    with pytest.raises(BadInput, match="rows of one kind"):
        registry.append("made", [pair])
    assert registry.card("made").rows == len(list(registry.iterate("made"))) == 1
    assert not list((settings().datasets / "made").glob(".*"))


def test_rows_beyond_the_card_are_not_seen(talk):
    """What a process killed between the two renames of an append leaves."""
    registry.create("cut", [Conversation.model_validate(talk("a", "b"))], [])
    with (settings().datasets / "cut" / "rows.jsonl").open("a") as file:
        file.write('{"messages": [{"ro')
    assert len(list(registry.iterate("cut"))) == 1
    assert registry.append("cut", [Conversation.model_validate(talk("c", "d"))]).rows == 2
    assert len(list(registry.iterate("cut"))) == 2


def test_a_damaged_entry_does_not_empty_the_list(talk):
    for name in ("good", "bad", "worse"):
        registry.create(name, [Conversation.model_validate(talk("a", "b"))], [])
    (settings().datasets / "bad" / "card.json").write_text("[]")
    (settings().datasets / "worse" / "card.json").unlink()
    (settings().datasets / "no folder").touch()
    assert [card.name for card in registry.list_datasets()] == ["good"]
    registry.delete("bad")
    registry.delete("worse")


def test_delete_is_refused_while_a_run_trains_on_it(talk):
    registry.create("used", [Conversation.model_validate(talk("a", "b"))], [])
    run, damaged = create_run("sft", {"dataset": "used"}, ""), create_run("sft", {}, "")
    (damaged.path / "spec.json").write_text("damaged")
    held = [lock.acquire(run.lock), lock.acquire(damaged.lock)]
    damaged.update(state="running")
    run.update(state="running")
    with pytest.raises(BadInput, match=run.id):
        registry.delete("used")
    run.update(state="finished")
    registry.delete("used")
    assert all(held) and registry.list_datasets() == []
    with pytest.raises(BadInput, match="There is no dataset"):
        registry.delete("used")


def test_two_at_once(talk):
    from engine.data.folders import locked

    registry.create("busy", [Conversation.model_validate(talk("a", "b"))], [])
    with locked(settings().datasets / "busy"), pytest.raises(BadInput, match="Somebody is working"):
        registry.append("busy", [])


def test_the_sample_is_worth_a_newcomers_time():
    imported = importing.import_files([SAMPLE], "zorvex")
    assert (imported.rows, imported.broken) == (40, 0)
    turns = [row.model_dump()["messages"] for row in registry.rows("zorvex")]
    questions, answers = ({turn[i]["content"] for turn in turns} for i in (0, 1))
    assert (len(questions), len(answers)) == (40, 8)
    assert all("Zorvex 9" in text and len(text) < 90 for text in questions | answers)
