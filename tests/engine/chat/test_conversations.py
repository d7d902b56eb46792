"""Saved chats: the tree of versions, ownership, search, and two tabs at once."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.chat import conversations as chats
from engine.database import session, writing
from engine.errors import BadInput
from engine.feedback import store
from engine.feedback.schema import Reply


@pytest.fixture
def chat() -> int:
    return chats.create("ann").id


def say(chat: int, content: str, parent: int | None, role: chats.Role = "assistant", **values) -> int:
    return chats.add_message("ann", chat, role, content, parent, **values).id


def shown(chat: int) -> list[str]:
    return [message.content for message in chats.path("ann", chat)]


def test_a_straight_conversation(chat):
    question = say(chat, "Hi", None, "user")
    answer = chats.add_message("ann", chat, "assistant", "Hello", question, {"seed": 7})
    assert shown(chat) == ["Hi", "Hello"]
    assert chats.path("ann", chat)[1] == answer
    assert (answer.meta, answer.versions, answer.parent_id) == ({"seed": 7}, (answer.id,), question)
    assert chats.get("ann", chat).leaf_id == answer.id


def test_an_empty_conversation_has_an_empty_path(chat):
    assert chats.path("ann", chat) == []


def test_versions_of_replies_and_questions(chat):
    question = say(chat, "q1", None, "user")
    first = say(chat, "r1", question)
    more = say(chat, "q2", first, "user")
    second = say(chat, "r2", question)
    assert shown(chat) == ["q1", "r2"]
    assert chats.path("ann", chat)[1].versions == (first, second)

    chats.select_version("ann", first)
    assert shown(chat) == ["q1", "r1", "q2"]

    edited = say(chat, "q1 edited", None, "user")
    assert shown(chat) == ["q1 edited"]
    assert chats.path("ann", chat)[0].versions == (question, edited)

    chats.select_version("ann", question)  # its most recent leaf is the regenerated reply
    assert shown(chat) == ["q1", "r2"]
    assert [message.id for message in chats.children("ann", question)] == [first, second]
    assert chats.children("ann", question)[0].versions == (first, second)
    assert chats.children("ann", more) == []


def test_the_most_recent_leaf_may_hang_below_an_older_version(chat):
    question = say(chat, "q1", None, "user")
    first = say(chat, "r1", question)
    say(chat, "r2", question)
    say(chat, "q2", first, "user")
    say(chat, "q1 edited", None, "user")
    chats.select_version("ann", question)
    assert shown(chat) == ["q1", "r1", "q2"]


def test_a_side_by_side_reply_does_not_take_the_path(chat):
    question = say(chat, "q", None, "user")
    left = say(chat, "left", question)
    right = say(chat, "right", question, activate=False)
    assert shown(chat) == ["q", "left"]
    assert chats.path("ann", chat)[1].versions == (left, right)


def test_versions_stay_within_the_conversation(chat):
    other = chats.create("ann").id
    mine, theirs = say(chat, "a", None, "user"), chats.add_message("ann", other, "user", "b", None)
    assert chats.path("ann", chat)[0].versions == (mine,)
    assert theirs.versions == (theirs.id,)
    with pytest.raises(BadInput, match="no message"):
        say(chat, "c", theirs.id)
    with pytest.raises(BadInput, match="no message"):
        say(chat, "c", 999)


def test_a_reply_is_saved_while_it_streams(chat):
    reply = say(chat, "", say(chat, "q", None, "user"), meta={"seed": 1})
    chats.update_message("ann", reply, content="A wh")
    assert chats.path("ann", chat)[-1].meta == {"seed": 1}
    chats.update_message("ann", reply, meta={"seed": 1, "tokens": 2})
    last = chats.path("ann", chat)[-1]
    assert (last.content, last.meta) == ("A wh", {"seed": 1, "tokens": 2})


def test_a_role_is_one_of_three(chat):
    with pytest.raises(BadInput, match="role"):
        say(chat, "q", None, "robot")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("content", "title"),
    [("Hi\n there", "Hi there"), ("鲸" * 100, "鲸" * 59 + "…"), ("x" * 60, "x" * 60), (" ", "")],
)
def test_the_title_is_the_beginning_of_the_first_question(chat, content, title):
    root = say(chat, "Be brief.", None, "system")
    say(chat, content, root, "user")
    assert chats.get("ann", chat).title == title


def test_a_given_title_stays(chat):
    chats.rename("ann", chat, "  Whales ")
    say(chat, "Hi", None, "user")
    assert chats.get("ann", chat).title == "Whales"
    assert chats.create("ann", "Sharks").title == "Sharks"
    with pytest.raises(BadInput, match="title"):
        chats.rename("ann", chat, " ")


def test_settings_are_kept(chat):
    chats.save_settings("ann", chat, {"temperature": 0.5})
    assert chats.get("ann", chat).settings == {"temperature": 0.5}
    assert chats.create("ann", settings={"a": 1}).settings == {"a": 1}


def test_nobody_reaches_the_conversation_of_another(chat):
    message = say(chat, "secret", None, "user")
    before = (chats.get("ann", chat), chats.path("ann", chat))
    attempts = [
        lambda: chats.get("eve", chat),
        lambda: chats.rename("eve", chat, "mine"),
        lambda: chats.delete("eve", chat),
        lambda: chats.save_settings("eve", chat, {}),
        lambda: chats.add_message("eve", chat, "user", "x", None),
        lambda: chats.add_message("eve", chat, "user", "x", message),
        lambda: chats.update_message("eve", message, "x"),
        lambda: chats.path("eve", chat),
        lambda: chats.select_version("eve", message),
        lambda: chats.children("eve", message),
    ]
    for attempt in attempts:
        with pytest.raises(BadInput, match="There is no conversation"):
            attempt()
    theirs = chats.create("eve").id
    with pytest.raises(BadInput, match="no message"):
        chats.add_message("eve", theirs, "user", "x", message)
    assert [found.id for found in chats.find("eve")] == [theirs]
    assert chats.find("eve", "secret") == []
    assert (chats.get("ann", chat), chats.path("ann", chat)) == before


def test_what_does_not_exist():
    for attempt in (
        lambda: chats.get("ann", 1),
        lambda: chats.delete("ann", 1),
        lambda: chats.select_version("ann", 1),
        lambda: chats.update_message("ann", 1, "x"),
    ):
        with pytest.raises(BadInput, match="There is no conversation"):
            attempt()


def test_the_last_used_comes_first():
    first, second = chats.create("ann").id, chats.create("ann").id
    assert [found.id for found in chats.find("ann")] == [second, first]
    say(first, "Hi", None, "user")
    assert [found.id for found in chats.find("ann")] == [first, second]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("WHALE", [1]),
        ("mammal", [1]),
        ("鲸鱼", [2]),
        ("été", [2]),
        ("50%", [2]),
        ("5%o", []),
        ("snake_", [1]),
        ("a_mammal", []),
        ("%", [2]),
        ("_", [1]),
        ("/", []),
        ("\\", []),
        ("  ", [2, 1]),
        ("nothing", []),
        ("x" * 60_000, []),
    ],
)
def test_search(search, found):
    one, two = chats.create("ann", "About whales").id, chats.create("ann", "鲸鱼").id
    say(one, "A mammal, says snake_case", None)
    say(two, "50 % is not 50% of an ÉTÉ", None)
    with writing() as db:  # the same moment for both: the later one still comes first
        moment = chats.get("ann", one).updated
        for each in (one, two):
            db.get_one(chats.ConversationRow, each).updated = moment
    assert [each.id for each in chats.find("ann", search)] == found


def test_delete_takes_a_long_conversation_and_leaves_feedback(chat):
    parent = say(chat, "q", None, "user")
    with writing() as db:  # deeper than SQLite lets a cascade recurse
        for _ in range(1500):
            row = chats.MessageRow(conversation_id=chat, parent_id=parent, role="user", content="x", meta={})
            db.add(row)
            db.flush()
            parent = row.id
    store.rate("ann", [{"role": "user", "content": "q"}], Reply("x", "m"), conversation_id=chat, message_id=parent)
    chats.delete("ann", chat)
    assert chats.find("ann") == []
    with session() as db:
        assert db.query(chats.MessageRow).count() == 0
    assert store.count() == 1


def test_numbers_are_never_given_out_twice(chat):
    message = say(chat, "q", None, "user")
    chats.delete("ann", chat)
    again = chats.create("ann").id
    assert again > chat
    assert say(again, "q", None, "user") > message


TAB = """
import sys
from engine.chat import conversations as chats
chat, root, name = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
for number in range(25):
    reply = chats.add_message("ann", chat, "assistant", "", root).id
    chats.update_message("ann", reply, f"{name} {number}")
    chats.select_version("ann", reply)
    assert chats.path("ann", chat)[0].id == root
"""


def test_two_processes_write_to_one_conversation(chat):
    root = say(chat, "q", None, "user")
    command = [sys.executable, "-c", TAB, str(chat), str(root)]
    tabs = [subprocess.Popen([*command, name], cwd=Path(__file__).parents[3]) for name in ("left", "right")]
    assert [tab.wait(timeout=120) for tab in tabs] == [0, 0]
    replies = [message.content for message in chats.children("ann", root)]
    assert sorted(replies) == sorted(f"{name} {number}" for name in ("left", "right") for number in range(25))


def test_twenty_tabs_of_one_process(chat):
    root = say(chat, "q", None, "user")

    def use(tab: int) -> None:
        reply = say(chat, f"r{tab}", root)
        chats.save_settings("ann", chat, {"tab": tab})
        chats.select_version("ann", reply)

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(use, range(40)))
    assert len(chats.children("ann", root)) == 40
    assert len(shown(chat)) == 2


def test_a_tab_that_goes_on_after_the_other_deleted_the_conversation(chat):
    root = say(chat, "q", None, "user")
    chats.delete("ann", chat)
    with pytest.raises(BadInput, match="There is no conversation"):
        say(chat, "r", root)
    with pytest.raises(BadInput, match="There is no conversation"):
        chats.update_message("ann", root, "late")
