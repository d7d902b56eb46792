"""The text that AUTOMATIC1111's web UI writes into its pictures, and that Civitai and others read; to and from a recipe.

It holds less than a recipe does (no source, no mask, no weights for single blocks), and its prompts are not marked off clearly.
Whatever is unknown, of the wrong type or out of range in it is left out.
"""

import json
import re
from typing import Any

from pydantic import ValidationError

from engine.diffusion.recipe import LoraWeight, Recipe
from engine.diffusion.schedulers import TITLES

MOST = 60_000
"""Characters that are read: two prompts, their LoRAs, and plenty of settings."""

SAMPLERS = {**TITLES, "pndm": "PLMS"}
"""Our schedulers by the names that they have there."""
_SCHEDULERS = {name.lower(): ours for ours, name in SAMPLERS.items()}
_NEGATIVE = "Negative prompt:"
# bounded, as a hostile line of a thousand words without a colon would else be searched for minutes
_SETTING = re.compile(r'\s*(\w[\w \-/]{0,60}):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
_LORA = re.compile(r"<lora:([^:<>\n]{1,200}):(-?[\d.]{1,12})(?::(-?[\d.]{1,12}))?>")


def write(recipe: Recipe) -> str:
    """The recipe as `parameters` text: prompt, negative prompt, and a line of settings."""
    prompt = " ".join(filter(None, [recipe.prompt, *map(_tag, recipe.loras)]))
    lines = [prompt, f"{_NEGATIVE} {recipe.negative_prompt}" if recipe.negative_prompt else ""]
    settings: dict[str, Any] = {
        "Steps": recipe.steps,
        "Sampler": SAMPLERS[recipe.scheduler],
        "CFG scale": f"{recipe.guidance_scale:g}",
        "Seed": recipe.seed,
        "Size": f"{recipe.width}x{recipe.height}",
        "Model hash": (recipe.model_fingerprint or "")[:10],
        "Model": recipe.model,
        "Denoising strength": None if recipe.strength is None else f"{recipe.strength:g}",
    }
    written = (f"{name}: {_quoted(str(value))}" for name, value in settings.items() if value not in (None, ""))
    return "\n".join([*filter(None, lines), ", ".join(written)])


def read(text: str) -> Recipe | None:
    """The recipe in such a text, as far as it goes; None if there is none in it."""
    *lines, last = text[:MOST].strip().split("\n")
    settings = {name: _unquoted(value) for name, value in _SETTING.findall(last)}
    if len(settings) < 3:  # the web UI's own rule: the last line belongs to the prompt then
        lines, settings = [*lines, last], {}
    prompts: list[list[str]] = [[], []]
    for line in lines:
        if line.startswith(_NEGATIVE):
            prompts.append([])
            line = line.removeprefix(_NEGATIVE).removeprefix(" ")
        prompts[0 if len(prompts) == 2 else 1].append(line)
    prompt, loras = _without_tags("\n".join(prompts[0]))
    if not settings and not prompt:
        return None
    return lenient(
        {
            "prompt": prompt,
            "negative_prompt": "\n".join(prompts[1]),
            "loras": loras,
            **_from_settings(settings),
        }
    )


def lenient(values: dict[str, Any]) -> Recipe:
    """A recipe of those values that may stand in one; the others are left at their defaults."""
    kept = {}
    for name, value in values.items():
        try:
            Recipe.model_validate({name: value})
        except ValidationError:
            continue
        kept[name] = value
    return Recipe.model_validate(kept)


def _from_settings(settings: dict[str, str]) -> dict[str, Any]:
    width, _, height = settings.get("Size", "").partition("x")
    found = {
        "steps": settings.get("Steps"),
        "guidance_scale": settings.get("CFG scale"),
        "seed": settings.get("Seed"),
        "model": settings.get("Model"),
        "width": width,
        "height": height,
        "scheduler": _scheduler(settings.get("Sampler", ""), settings.get("Schedule type", "")),
    }
    # a picture drawn in two passes has a strength too, without a source picture
    if "Denoising strength" in settings and not any(name.startswith("Hires") for name in settings):
        found |= {"strength": settings["Denoising strength"], "mode": "img2img"}
    return {name: value for name, value in found.items() if value}


def _scheduler(sampler: str, schedule: str) -> str | None:
    """New versions name sampler and schedule apart, older ones together."""
    return _SCHEDULERS.get(f"{sampler} {schedule}".lower()) or _SCHEDULERS.get(sampler.lower())


def _tag(lora: LoraWeight) -> str:
    text_encoder = lora.blocks.get("text_encoder")
    both = "" if text_encoder is None else f"{text_encoder:g}:"
    return f"<lora:{lora.name}:{both}{lora.weight:g}>"


def _without_tags(prompt: str) -> tuple[str, list[LoraWeight]]:
    loras: list[LoraWeight] = []
    for name, first, second in _LORA.findall(prompt):
        blocks = {"text_encoder": first} if second else {}
        try:
            loras.append(LoraWeight.model_validate({"name": name, "weight": second or first, "blocks": blocks}))
        except ValidationError:
            continue
    return re.sub(r" ?" + _LORA.pattern, "", prompt).strip(), loras[:100]


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if any(sign in value for sign in ',\n:"') else value


def _unquoted(value: str) -> str:
    value = value.strip()
    if value.startswith('"'):
        try:
            return str(json.loads(value))
        except (ValueError, RecursionError):
            return value
    return value
