"""Settings from a form, flags or a file as a pydantic model; what is wrong with them as one sentence."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from engine.errors import BadInput

Model = TypeVar("Model", bound=BaseModel)

LIMITS = {
    "ge": "{field} must be at least {limit}.",
    "gt": "{field} must be more than {limit}.",
    "le": "{field} must be at most {limit}.",
    "lt": "{field} must be less than {limit}.",
    "multiple_of": "{field} must be a multiple of {limit}.",
}


def parse(model: type[Model], values: Mapping[str, Any]) -> Model:
    """The model that these values make.

    Raises:
        BadInput: naming the first field that is wrong.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise explain(error.errors()[0]) from error


def explain(error: Mapping[str, Any]) -> BadInput:
    """One of pydantic's errors as a sentence.

    Args:
        error: as `ValidationError.errors()` lists it.
    """
    field = ".".join(str(part) for part in error["loc"])
    for name, limit in error.get("ctx", {}).items():
        if name in LIMITS:
            return BadInput(LIMITS[name], field=field, limit=limit)
    if error["type"] == "missing":
        return BadInput("{field} is missing.", field=field)
    if error["type"] == "extra_forbidden":
        return BadInput("There is no setting {field}.", field=field)
    return BadInput("{field} cannot be {value}.", field=field, value=str(error["input"])[:100])
