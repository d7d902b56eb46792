"""Saved training forms, one YAML file each under `var/presets/`: every setting but the dataset's and the adapter's name."""

from pathlib import Path
from typing import Any

import yaml

from engine.errors import BadInput
from engine.files import check_name, write_text
from engine.settings import settings
from engine.training.specs import SftSpec

OF_ONE_RUN = {"dataset", "adapter", "from_adapter"}


def save_preset(name: str, spec: SftSpec) -> Path:
    """Write a preset; one of the same name is replaced."""
    path = settings().presets / f"{check_name(name)}.yaml"
    write_text(path, yaml.safe_dump(spec.model_dump(exclude=OF_ONE_RUN), sort_keys=False, allow_unicode=True))
    return path


def load_preset(path: Path) -> dict[str, Any]:
    """The settings in a preset file.

    Raises:
        BadInput: there is no such file, or it holds something else.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadInput("There is no preset file {path}.", path=path) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput("The preset {path} is not valid YAML.", path=path) from error
    if not isinstance(values, dict) or not set(values) <= set(SftSpec.model_fields):
        unknown = sorted(set(values) - set(SftSpec.model_fields)) if isinstance(values, dict) else []
        raise BadInput(
            "The preset {path} holds something that is no training setting: {names}.",
            path=path,
            names=", ".join(map(str, unknown)) or "no settings at all",
        )
    return values


def list_presets() -> dict[str, Path]:
    """Preset files by name."""
    return {path.stem: path for path in sorted(settings().presets.glob("*.yaml"))}
