"""Saved training forms, one YAML file each under `var/presets/`: every setting but what belongs to one run alone.

Those of picture trainings lie in a folder of their own, `var/presets/dreambooth/`.
"""

from pathlib import Path
from typing import Any

import yaml

from engine.errors import BadInput
from engine.files import check_name, write_text
from engine.settings import settings
from engine.training.specs import SftSpec
from engine.training.training_spec import TrainingSpec

OF_ONE_RUN = {"dataset", "adapter", "from_adapter"}
OF_ONE_SUBJECT = {"images", "instance_prompt", "class_prompt", "trigger_words", "adapter", "sample_prompts"}
"""What a preset of a picture training leaves open."""


def save_preset(name: str, spec: TrainingSpec) -> Path:
    """Write a preset; one of the same name is replaced."""
    path = _folder(type(spec)) / f"{check_name(name)}.yaml"
    values = spec.model_dump(exclude=OF_ONE_RUN | OF_ONE_SUBJECT if spec.method == "dreambooth" else OF_ONE_RUN)
    write_text(path, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
    return path


def load_preset(path: Path, kind: type[TrainingSpec] = SftSpec) -> dict[str, Any]:
    """The settings in a preset file.

    Args:
        path: the file.
        kind: of what training they must be settings.

    Raises:
        BadInput: there is no such file, or it holds something else.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadInput("There is no preset file {path}.", path=path) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadInput("The preset {path} is not valid YAML.", path=path) from error
    if not isinstance(values, dict) or not set(values) <= set(kind.model_fields):
        unknown = sorted(set(values) - set(kind.model_fields)) if isinstance(values, dict) else []
        raise BadInput(
            "The preset {path} holds something that is no training setting: {names}.",
            path=path,
            names=", ".join(map(str, unknown)) or "no settings at all",
        )
    return values


def list_presets(kind: type[TrainingSpec] = SftSpec) -> dict[str, Path]:
    """Preset files by name."""
    return {path.stem: path for path in sorted(_folder(kind).glob("*.yaml"))}


def _folder(kind: type[TrainingSpec]) -> Path:
    folder = settings().presets / ("dreambooth" if kind.method == "dreambooth" else "")
    folder.mkdir(exist_ok=True)
    return folder
