"""Changes make new versions; old ones stay, and can be read, compared and brought back."""

import json

import pytest

from engine.data import editing, registry
from engine.data import rows as storage
from engine.data.compare import compare
from engine.data.records import Conversation, Preference
from engine.errors import BadInput
from engine.settings import settings


@pytest.fixture
def five(talk):
    """A dataset of five rows."""
    registry.create("five", [Conversation.model_validate(talk(f"q{n}", f"a{n}")) for n in range(5)], [])
    return "five"


def asked(name: str) -> list[str]:
    return [row.messages[0].content for row in registry.iterate(name) if isinstance(row, Conversation)]


def test_editing_deleting_and_restoring(five, talk):
    changed = editing.replace_row(five, 1, Conversation.model_validate(talk("new", "a")), seen=1, by="Ann")
    assert (changed.version, changed.rows, changed.change) == (2, 5, {"action": "edited", "row": 2, "by": "Ann"})
    assert editing.delete_rows(five, {0, 4}, seen=2).rows == 3
    assert asked(five) == ["new", "q2", "q3"]
    assert asked("five@1") == ["q0", "q1", "q2", "q3", "q4"] and asked("five@2")[1] == "new"
    back = editing.restore(five, 1)
    assert (back.version, asked(five)) == (4, asked("five@1"))
    assert back.content_sha256 == registry.card("five@1").content_sha256
    assert [card.version for card in registry.versions(five)] == [4, 3, 2, 1]
    assert registry.rows(five, offset=3, limit=1)[0] == registry.rows("five@1", offset=3, limit=1)[0]


def test_a_change_thought_out_for_another_version_is_refused(five, talk):
    editing.delete_rows(five, [0], seen=1)
    with pytest.raises(BadInput, match="changed since you looked"):
        editing.replace_row(five, 0, Conversation.model_validate(talk("x", "y")), seen=1)
    assert registry.card(five).version == 2


def test_refusals(five, talk):
    turn, reply = ([{"role": role, "content": role}] for role in ("user", "assistant"))
    pair = Preference.model_validate(
        {"prompt": turn, "chosen": reply, "rejected": [{"role": "assistant", "content": "no"}]}
    )
    for call, sentence in [
        (lambda: editing.replace_row(five, 5, registry.rows(five)[0], seen=1), "no row 6"),
        (lambda: editing.replace_row(five, 0, pair, seen=1), "rows of one kind"),
        (lambda: editing.delete_rows(five, range(5), seen=1), "No row of “five” would be left"),
        (lambda: editing.delete_rows(five, [-1], seen=1), "no row 0"),
        (lambda: editing.restore(five, 9), "no version 9"),
        (lambda: registry.card("five@2"), "no version 2"),
    ]:
        with pytest.raises(BadInput, match=sentence):
            call()
    assert registry.card(five).version == 1 and len(asked(five)) == 5


def test_compare(five, talk):
    editing.replace_row(five, 1, Conversation.model_validate(talk("new", "a")), seen=1)
    editing.delete_rows(five, [3], seen=2)
    registry.append(five, [Conversation.model_validate(talk("more", "b"))])
    found = compare(five, 1, 4)
    assert (found.kept, found.changed, found.removed, found.added) == (3, [(1, 1)], [3], [4])
    other_way = compare(five, 4, 1)
    assert (other_way.kept, other_way.changed, other_way.removed, other_way.added) == (3, [(1, 1)], [4], [3])
    assert compare(five, 1, 1).kept == 5


def test_search(five, talk):
    registry.append(five, [Conversation.model_validate(talk('Größe "中文"\n', "user content"))])
    assert registry.search(five, "Q3") == [3] and registry.search(five, 'größe "中文"\n') == [5]
    assert registry.search(five, "user") == [5]  # not the roles of the others
    assert registry.search(five, "q", start=2, limit=2) == [2, 3] and registry.search(five, "nothing") == []


def test_merge(five, talk):
    registry.create("one", [Conversation.model_validate(talk("x", "y"))], [])
    card = registry.merge([five, "one", "five@1"], "all")
    assert card.rows == 11 and [source["dataset"] for source in card.sources] == ["five@1", "one@1", "five@1"]
    with pytest.raises(BadInput, match="at least two"):
        registry.merge([five], "alone")


def test_a_dataset_from_before_there_were_versions(talk):
    """Its rows and its card are all there is."""
    folder = settings().datasets / "old"
    folder.mkdir()
    lines = [json.dumps(talk(f"q{n}", "a")) + "\n" for n in range(3)]
    (folder / "rows.jsonl").write_text("".join(lines) + '{"messages": [{"ro')
    card = {"name": "old", "kind": "messages", "rows": 3, "content_sha256": "0", "created": 1.0}
    (folder / "card.json").write_text(json.dumps(card))
    assert asked("old") == ["q0", "q1", "q2"] and [card.version for card in registry.versions("old")] == [1]
    editing.delete_rows("old", [1], seen=1)
    registry.append("old", [Conversation.model_validate(talk("last", "a"))])
    assert asked("old") == ["q0", "q2", "last"] and asked("old@1") == ["q0", "q1", "q2"]


def test_a_change_cut_short_leaves_the_dataset_as_it_was(five, talk, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(storage, "write_index", fail)
    with pytest.raises(OSError):
        registry.append(five, [Conversation.model_validate(talk("lost", "a"))])
    monkeypatch.undo()
    assert len(asked(five)) == 5
    assert (
        registry.append(five, [Conversation.model_validate(talk("kept", "a"))]).rows == 6 and asked(five)[5] == "kept"
    )
