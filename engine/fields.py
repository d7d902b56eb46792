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
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        context = {name: value for name, value in first.get("ctx", {}).items() if name in LIMITS}
        for name, limit in context.items():
            raise BadInput(LIMITS[name], field=field, limit=limit) from error
        if first["type"] == "missing":
            raise BadInput("{field} is missing.", field=field) from error
        if first["type"] == "extra_forbidden":
            raise BadInput("There is no setting {field}.", field=field) from error
        raise BadInput("{field} cannot be {value}.", field=field, value=str(first["input"])[:100]) from error
