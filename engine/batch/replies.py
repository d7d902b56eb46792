"""What becomes of a reply: in JSON mode the JSON in it, checked by a schema; otherwise its text, marked if it goes round in circles.

Repairs nothing: a reply that is no JSON is asked for again.
"""

import json
import re
from typing import Any

from engine.batch.spec import BatchSpec
from engine.chat.json_text import find_json
from engine.errors import BadInput
from engine.models.request import Reply

LENGTH, REPEATS = "length", "repeats"
"""Marks: a reply that the limit cut, and one that repeated itself until then."""

_NO_JSON = "The reply is no JSON object or array."
_LEAST, _TIMES, _LONGEST = 60, 4, 200


class JsonRule:
    """What a reply must be in JSON mode.

    Args:
        spec: whose schema counts.

    Raises:
        BadInput: the schema is no JSON schema.
    """

    def __init__(self, spec: BatchSpec):
        self._validator = _validator(spec.json_schema) if spec.json_schema is not None else None

    def json_of(self, text: str) -> str:
        """The JSON in a reply, as one line.

        Raises:
            BadInput: there is none, or it does not follow the schema.
        """
        value = _parsed(text)
        if self._validator is None:
            if not isinstance(value, dict | list):
                raise BadInput(_NO_JSON)
        elif reason := _against(self._validator, value):
            raise BadInput("The reply does not follow the schema: {reason}.", reason=reason[:300])
        try:
            line = json.dumps(value, ensure_ascii=False, allow_nan=False)
            line.encode()
        except ValueError:  # NaN, or half a character, which Python's parser takes and JSON in a file cannot have
            raise BadInput(_NO_JSON) from None
        return line


def marks_of(reply: Reply) -> list[str]:
    """What a person should know of a reply that the limit ended."""
    if reply.finish_reason != "length":
        return []
    return [LENGTH, REPEATS] if repeats(reply.text) else [LENGTH]


def repeats(text: str) -> bool:
    """Whether a text ends with the same passage, of up to 200 characters, four times in a row or more and over 60 characters
    at least: what a model writes that goes round in circles."""
    for period in range(1, _LONGEST + 1):
        length = max(_LEAST, _TIMES * period)
        if length > len(text):
            return False
        if text[-length:-period] == text[period - length :]:
            return True
    return False


def _parsed(text: str) -> Any:
    try:
        try:
            return json.loads(text)
        except ValueError:
            value = find_json(text)
    except RecursionError:  # a model that goes round in circles may open any number of brackets
        value = None
    if value is None:
        raise BadInput(_NO_JSON)
    return value


def _against(validator: Any, value: Any) -> str | None:
    """What the schema has against a value."""
    from referencing.exceptions import Unresolvable

    try:
        error = next(validator.iter_errors(value), None)
    except (Unresolvable, re.error, RecursionError) as broken:  # only use shows that a schema has such a fault
        raise BadInput("The schema cannot be used: {reason}.", reason=broken) from broken
    return error.message if error else None


def _validator(schema: str) -> Any:
    from jsonschema import SchemaError
    from jsonschema.validators import validator_for
    from referencing import Registry

    try:
        parsed = json.loads(schema)
        kind = validator_for(parsed)
        kind.check_schema(parsed)
    except (ValueError, RecursionError) as error:
        raise BadInput("The schema is no JSON: {reason}.", reason=error) from error
    except (SchemaError, TypeError) as error:
        reason = error.message if isinstance(error, SchemaError) else error
        raise BadInput("The schema is no JSON schema: {reason}.", reason=str(reason)[:300]) from error
    # without a registry of its own, the library would fetch what a schema refers to from the network
    return kind(parsed, registry=Registry())
