"""What the Draw page remembers: its form, and ways to fill it from a picture's recipe.

Nothing here draws widgets. The form is a draft on disk; source and mask are kept by the gallery and named by their hashes.
"""

import contextlib
from typing import Any

import streamlit as st

from engine.adapters.store import read_adapter
from engine.diffusion import catalog, gallery
from engine.diffusion.catalog import PictureSource
from engine.diffusion.families import Defaults, defaults
from engine.diffusion.recipe import LoraWeight, Mode, Recipe
from engine.errors import StudioError
from engine.settings import settings
from pages.shared.drafts import Form

VIEW = "draw.view"
PENDING = "draw.pending"
"""What the next run of the page puts in the form before its widgets are drawn."""
START = "draw.start"
"""A recipe that the next run of the page draws as it is."""
NOTES = "draw.notes"
"""What is to be said of a restored recipe."""
_FALLBACK = Defaults(64, 64, 20, 4.0, "ddim")
LARGEST_SEED = 2**53 - 1
"""A browser's numbers are exact up to here."""


def draw_form() -> Form:
    """The form, with what was in it last time."""
    model = _first_model()
    begin = defaults_of(model)
    form = Form(
        "draw",
        {
            "idea": "",
            "prompt": "",
            "before": [],
            "written": None,
            "writer": {},
            "negative_prompt": "",
            "mode": "txt2img",
            "model": model,
            "width": begin.width,
            "height": begin.height,
            "steps": begin.steps,
            "guidance_scale": begin.guidance_scale,
            "scheduler": begin.scheduler,
            "seed": None,
            "count": 1,
            "strength": 0.75,
            "source": "",
            "mask": "",
            "painted": "",
            "strokes": None,
            "adapters": [],
            "shown": [],
        },
    )
    for field, value in st.session_state.pop(PENDING, {}).items():
        st.session_state[form.key(field)] = value
    return form


def model_source(name: str) -> PictureSource | None:
    """The picture model of this name; None if there is none (the drawing will say why)."""
    try:
        return catalog.resolve(name, paths=False)
    except StudioError:
        return None


def defaults_of(name: str) -> Defaults:
    """What a form begins with for a model; of one that is not on this machine yet, what its kind usually has."""
    source = model_source(name)
    if source is None:
        return _FALLBACK
    if source.kind == "hub":
        size = 1024 if "xl" in name.lower() else 512
        return Defaults(size, size, 25, 7.0, "dpmpp_2m_karras")
    try:
        return defaults(source)
    except StudioError:
        return _FALLBACK


def models() -> list[str]:
    """The models that can be drawn with at once."""
    return [source.name for source in catalog.list_models()]


def take_defaults(form: Form) -> None:
    """For a callback: another model was chosen, and what fits it is put in the form."""
    begin = defaults_of(st.session_state[form.key("model")])
    for field in ("width", "height", "steps", "guidance_scale", "scheduler"):
        st.session_state[form.key(field)] = getattr(begin, field)


def fill(values: dict[str, Any]) -> None:
    """Put values into the form with the next run, and show it."""
    st.session_state[PENDING] = {**st.session_state.get(PENDING, {}), **values}
    st.session_state[VIEW] = "draw"


def restore(recipe: Recipe) -> None:
    """Put a whole recipe into the form."""
    fill(
        {
            **recipe.model_dump(
                include={"prompt", "negative_prompt", "mode", "width", "height", "steps", "guidance_scale", "scheduler"}
            ),
            "model": recipe.model or settings().picture_model,
            "seed": recipe.seed if recipe.seed <= LARGEST_SEED else None,
            "count": 1,
            "strength": recipe.strength or 0.75,
            "source": recipe.source or "",
            "mask": recipe.mask or "",
            "painted": "",
            "strokes": None,
            "adapters": [lora.model_dump(include={"name", "weight", "blocks"}) for lora in recipe.loras],
            "idea": recipe.idea or "",
            "written": {"idea": recipe.idea, "prompt": recipe.prompt} if recipe.idea else None,
        }
    )
    for name in [key for key in st.session_state if str(key).startswith("draw.lora.")]:
        del st.session_state[name]
    st.session_state[NOTES] = _differences(recipe)


def start_from(picture: gallery.Picture, mode: Mode) -> None:
    """Take a picture as the source of the next; its own words and settings come along.

    Raises:
        BadInput: its file is gone.
    """
    digest = gallery.keep_source(gallery.image_of(picture))
    restore(picture.recipe)
    fill({"mode": mode, "source": digest, "mask": "", "painted": "", "strokes": None, "seed": None})


def draw_again(recipe: Recipe) -> None:
    """Draw a recipe once more, as it is."""
    restore(recipe)
    st.session_state[START] = recipe


def _first_model() -> str:
    wanted = settings().picture_model
    listed = models()
    return wanted if wanted in listed or model_source(wanted) or not listed else listed[0]


def _differences(recipe: Recipe) -> list[str]:
    """What is another today than when the picture was drawn: `model`, or adapters by name."""
    found: list[str] = []
    source = model_source(recipe.model)
    with contextlib.suppress(StudioError):
        known = source and source.kind != "hub" and recipe.model_fingerprint
        if source and known and catalog.fingerprint(source) != recipe.model_fingerprint:
            found.append(recipe.model)
    for lora in recipe.loras:
        with contextlib.suppress(StudioError):
            if lora.fingerprint and read_adapter(lora.name).fingerprint != lora.fingerprint:
                found.append(lora.name)
    return found


def lora_weights(form: Form) -> list[LoraWeight]:
    """The chosen adapters, as recipes have them."""
    return [LoraWeight.model_validate(one) for one in form.values()["adapters"]]


def written(form: Form) -> dict[str, Any] | None:
    """What the chat model wrote, as long as the prompt is still that."""
    values = form.values()
    found = values["written"]
    return found if found and found["prompt"].strip() == values["prompt"].strip() else None
