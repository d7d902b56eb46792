"""JSON mode and replies that go round in circles."""

from pathlib import Path

import pytest

from engine.batch.replies import JsonRule, marks_of, repeats
from engine.batch.spec import BatchSpec
from engine.errors import BadInput
from engine.models.request import Reply

SCHEMA = '{"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}'


def _rule(**fields) -> JsonRule:
    return JsonRule(BatchSpec(file=Path("x"), json_mode=True, **fields))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"名": "安"}', '{"名": "安"}'),
        ('Sure:\n```json\n{"a": [1, 2]}\n```\nDone.', '{"a": [1, 2]}'),
        ("[]", "[]"),
    ],
)
def test_json_in_replies(text, expected):
    assert _rule().json_of(text) == expected


@pytest.mark.parametrize("text", ["", "no", '{"a": ', '"text"', "7", "[" * 100_000, '{"a": NaN}', r'["\ud800"]'])
def test_what_is_no_json(text):
    with pytest.raises(BadInput, match="no JSON object or array"):
        _rule().json_of(text)


def test_a_schema():
    rule = _rule(json_schema=SCHEMA)
    assert rule.json_of('Here: {"age": 3}') == '{"age": 3}'
    with pytest.raises(BadInput, match=r"does not follow the schema: .*is not of type"):
        rule.json_of('{"age": "three"}')
    with pytest.raises(BadInput, match="'age' is a required property"):
        rule.json_of("{}")
    assert _rule(json_schema='{"type": "integer"}').json_of("7") == "7"


@pytest.mark.parametrize("schema", ['{"$ref": "http://127.0.0.1:1/schema"}', '{"$ref": "#"}', '{"$ref": "#/nowhere"}'])
def test_a_schema_that_fails_in_use(schema):
    """Nothing is fetched from the network, and nothing else goes wrong than the row."""
    with pytest.raises(BadInput, match="The schema cannot be used"):
        _rule(json_schema=schema).json_of("{}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I do not know. " * 5, True),
        ("It begins well. " + "哈" * 60, True),
        ("yes " * 16, True),
        ("Well." + "\n" * 60, True),
        ("yes " * 10, False),  # too short to tell
        ("I do not know. " * 3, False),
        ("".join(f"{number}. item\n" for number in range(40)), False),
        ("The quick brown fox jumps over the lazy dog, and the dog sleeps on. " * 2, False),
    ],
)
def test_repeats(text, expected):
    assert repeats(text) is expected


def test_only_what_the_limit_ended_is_marked():
    def reply(text: str, reason: str) -> Reply:
        return Reply(text, 9, 9, 1.0, 0, reason)

    assert marks_of(reply("no " * 99, "stop")) == []
    assert marks_of(reply("once upon a time", "length")) == ["length"]
    assert marks_of(reply("no " * 99, "length")) == ["length", "repeats"]
