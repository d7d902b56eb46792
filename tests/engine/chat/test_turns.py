"""A turn: the reply is on disk as it grows and when it ends, however it ends; judgements name what made it."""

import pytest

from engine.chat import conversations, judgements
from engine.chat.json_text import find_json
from engine.chat.turns import Speaker, prompt_of, start_reply
from engine.errors import BadInput
from engine.feedback.store import FeedbackFilter, find
from engine.models.host import host
from engine.models.request import Sampling

SHORT = Sampling(max_new_tokens=6, temperature=0)


@pytest.fixture(autouse=True)
def fresh_host():
    host.cache_clear()
    yield
    host().unload()
    host.cache_clear()


def _ask(text="Hello", owner="Ann"):
    conversation = conversations.create(owner)
    return conversation, conversations.add_message(owner, conversation.id, "user", text, None)


def test_a_reply_is_saved_with_what_made_it(tiny):
    conversation, question = _ask()
    live = start_reply("Ann", conversation.id, question, Speaker(model=tiny), SHORT, system="Be brief.")
    live.stream.wait()
    live.finish()
    reply = conversations.path("Ann", conversation.id)[-1]
    assert reply.content == live.stream.text != ""
    assert reply.meta["model"] == tiny and reply.meta["tokens"] == 6 and reply.meta["system"] == "Be brief."
    assert reply.meta["sampling"]["seed"] == live.stream.reply.seed


def test_a_stopped_reply_keeps_what_was_written(tiny):
    conversation, question = _ask()
    live = start_reply(
        "Ann", conversation.id, question, Speaker(model=tiny), Sampling(max_new_tokens=400, temperature=0)
    )
    for _, _ in zip(range(3), live.stream, strict=False):
        pass
    live.finish()
    live.finish()
    reply = conversations.path("Ann", conversation.id)[-1]
    assert reply.content and reply.meta["finish_reason"] == "cancelled"


def test_a_reply_in_progress_is_on_disk(tiny):
    conversation, question = _ask()
    live = start_reply(
        "Ann", conversation.id, question, Speaker(model=tiny), Sampling(max_new_tokens=400, temperature=0)
    )
    next(iter(live.stream))
    live.save_partial()
    assert conversations.path("Ann", conversation.id)[-1].content
    live.finish()


def test_an_unknown_adapter_leaves_no_empty_message(tiny):
    conversation, question = _ask()
    with pytest.raises(BadInput):
        start_reply("Ann", conversation.id, question, Speaker(model=tiny, adapter="nobody"), SHORT)
    assert conversations.path("Ann", conversation.id) == [question]


def test_an_error_while_answering_is_kept_as_a_sentence():
    conversation, question = _ask()
    live = start_reply("Ann", conversation.id, question, Speaker(server="http://127.0.0.1:9/v1", model="m"), SHORT)
    with pytest.raises(Exception, match="No server"):
        live.stream.wait()
    live.finish()
    meta = conversations.path("Ann", conversation.id)[-1].meta
    assert meta["error"].startswith("No server answers at {url}")
    assert meta["error_values"]["url"] == "http://127.0.0.1:9/v1"


def test_going_on_from_a_regenerated_reply_is_a_preference(tiny):
    conversation, question = _ask()
    first = conversations.add_message("Ann", conversation.id, "assistant", "worse", question.id, {"model": tiny})
    second = conversations.add_message("Ann", conversation.id, "assistant", "better", question.id, {"model": tiny})
    line = conversations.path("Ann", conversation.id)
    judgements.keep("Ann", line, line[-1])
    judgements.keep("Ann", *_again(conversation))
    (row,) = find(FeedbackFilter(kind="kept"))
    assert (row.reply, row.reply_b, row.winner, row.message_id) == ("better", "worse", "a", second.id)
    assert [message.content for message in row.prompt] == ["Hello"]
    assert first.id != second.id


def test_an_edited_reply_is_kept_over_the_model_s(tiny):
    conversation, question = _ask()
    conversations.add_message("Ann", conversation.id, "assistant", "wrong", question.id, {"model": tiny})
    line = conversations.path("Ann", conversation.id)
    judgements.edit_reply("Ann", line, line[-1], "right")
    assert conversations.path("Ann", conversation.id)[-1].content == "right"
    (row,) = find(FeedbackFilter(kind="kept"))
    assert (row.reply, row.reply_b) == ("right", "wrong")


def test_a_vote_records_both_sides_and_goes_on_with_the_winner(tiny):
    conversation, question = _ask()
    pair = {"pair": "p", "model": tiny}
    conversations.add_message("Ann", conversation.id, "assistant", "one", question.id, {**pair, "side": "a"})
    conversations.add_message(
        "Ann", conversation.id, "assistant", "two", question.id, {**pair, "side": "b", "adapter": "x"}
    )
    a, b = conversations.children("Ann", question.id)
    judgements.vote("Ann", conversations.path("Ann", conversation.id), a, b, "b", left="b")
    (row,) = find(FeedbackFilter(kind="comparison"))
    assert (row.reply, row.reply_b, row.adapter_b, row.winner, row.left_side) == ("one", "two", "x", "b", "b")
    assert conversations.path("Ann", conversation.id)[-1].content == "two"


def test_an_empty_reply_and_its_question_are_not_told_to_the_model(tiny):
    conversation, question = _ask("first")
    empty = conversations.add_message("Ann", conversation.id, "assistant", "", question.id)
    conversations.add_message("Ann", conversation.id, "user", "second", empty.id)
    line = conversations.path("Ann", conversation.id)
    assert prompt_of(line, "sys") == [{"role": "system", "content": "sys"}, {"role": "user", "content": "second"}]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('Here: {"name": "灵犀", "n": [1, 2]} done', {"name": "灵犀", "n": [1, 2]}),
        ('```json\n[{"a": 1}]\n```', [{"a": 1}]),
        ("as shown in [1] and {braces}", None),
        ('{"cut": [1, 2', None),
        ("no json", None),
    ],
)
def test_json_in_a_reply(text, value):
    assert find_json(text) == value


def _again(conversation):
    line = conversations.path("Ann", conversation.id)
    return line, line[-1]
