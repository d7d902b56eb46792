"""The two axes of a grid: which setting varies, and which values it takes."""

import re
from typing import Any, get_args

import streamlit as st

from engine.diffusion.grids import ALONE, BASE, LIVE, MERGED, Axis, Setting, combinations
from engine.diffusion.recipe import LoraWeight
from engine.diffusion.schedulers import TITLES
from engine.errors import BadInput
from engine.fields import parse
from pages.image.draw_state import models
from pages.shared.drafts import Form
from pages.shared.i18n import t

_NUMBERS = {"weight": "0, 0.5, 1", "seed": "1, 2, 3", "steps": "5, 10, 20", "guidance_scale": "2, 4, 8"}
"""Settings whose values are numbers, and what they begin with."""
_LINES = ("prompt", "negative_prompt")
_OF_LORAS = ("combination", "weight")
_NO_USE = ("strength",)
"""Of a grid that starts from no picture."""
_NONE = ""


def axis_defaults() -> dict[str, Any]:
    """What the form holds of both axes before anybody touched it."""
    fields: dict[str, Any] = {"x": "combination", "y": "seed"}
    for axis in ("x", "y"):
        fields |= {f"{axis}.{name}": text for name, text in _NUMBERS.items()}
        fields |= {f"{axis}.{name}": "" for name in _LINES}
        fields |= {
            f"{axis}.combination": [],
            f"{axis}.scheduler": list(TITLES)[:3],
            f"{axis}.model": [],
            f"{axis}.lora": None,
        }
    return fields


def axis_widgets(form: Form, axis: str, loras: list[LoraWeight]) -> None:
    """What varies along an axis, and its values.

    Args:
        form: the grid's.
        axis: `x` or `y`.
        loras: the chosen adapters.
    """
    words = _words()
    options = [name for name in get_args(Setting) if name not in _NO_USE and (loras or name not in _OF_LORAS)]
    options = [name for name in options if axis == "x" or name != st.session_state[form.key("x")]]
    options = [*options, *([_NONE] if axis == "y" else [])]
    if st.session_state[form.key(axis)] not in options:
        st.session_state[form.key(axis)] = "seed" if "seed" in options else "guidance_scale"
    setting = st.selectbox(
        t("From left to right") if axis == "x" else t("From top to bottom"),
        options,
        format_func=words.__getitem__,
        key=form.key(axis),
    )
    key = form.key(f"{axis}.{setting}")
    if setting == "combination":
        _combinations(key, loras)
    elif setting in _NUMBERS:
        _numbers(form, axis, setting, key, loras)
    elif setting in _LINES:
        st.text_area(t("Values"), key=key, placeholder=t("one a line"), height=80)
    elif setting in ("scheduler", "model"):
        offered = list(TITLES) if setting == "scheduler" else models()
        st.multiselect(t("Values"), [*dict.fromkeys([*offered, *st.session_state[key]])], key=key)


def _words() -> dict[str, str]:
    return {
        "combination": t("Adapters: none, each, together, merged"),
        "weight": t("Weight of adapters"),
        "prompt": t("Prompt"),
        "negative_prompt": t("Negative prompt"),
        "seed": t("Seed"),
        "steps": t("Steps"),
        "guidance_scale": t("Guidance"),
        "scheduler": t("Scheduler"),
        "model": t("Model"),
        _NONE: t("nothing: one row"),
    }


def _combinations(key: str, loras: list[LoraWeight]) -> None:
    there = combinations(loras)
    usual = [value for value in there if not value.startswith(MERGED) or value == f"{MERGED}cat"]
    chosen = [value for value in st.session_state[key] if value in there]
    alone = {value for value in there if value.startswith(ALONE)}
    if not chosen or not alone <= {*chosen}:  # other adapters were chosen
        chosen = usual
    st.session_state[key] = chosen
    st.multiselect(t("Values"), there, format_func=_combination, key=key)


def _combination(value: str) -> str:
    if value.startswith(ALONE):
        return value.removeprefix(ALONE)
    if value.startswith(MERGED):
        return t("merged: {method}", method=value.removeprefix(MERGED))
    return {BASE: t("the base model"), LIVE: t("together, live")}[value]


def _numbers(form: Form, axis: str, setting: str, key: str, loras: list[LoraWeight]) -> None:
    if setting == "weight":
        names = [lora.name for lora in loras]
        if st.session_state[form.key(f"{axis}.lora")] not in names:
            st.session_state[form.key(f"{axis}.lora")] = None
        st.selectbox(t("Of"), names, index=None, placeholder=t("all adapters"), key=form.key(f"{axis}.lora"))
    st.text_input(t("Values"), key=key, placeholder=t("numbers, with commas between"))


def axis_of(values: dict[str, Any], axis: str, loras: list[LoraWeight]) -> Axis | None:
    """The axis that the form asks for; None for no second one.

    Args:
        values: the form's.
        axis: `x` or `y`.
        loras: the chosen adapters.

    Raises:
        BadInput: a value is none.
    """
    setting = values[axis]
    if setting == _NONE:
        return None
    given = values[f"{axis}.{setting}"]
    if setting in _NUMBERS:
        given = [_number(word) for word in re.split(r"[,;，；、\s]+", given) if word]
    elif setting in _LINES:
        given = [line.strip() for line in given.splitlines() if line.strip()]
    if not given:
        raise BadInput("Say which values the grid shall show.")
    of = values[f"{axis}.lora"] if setting == "weight" else None
    return parse(Axis, {"setting": setting, "values": given, "lora": of})


def _number(word: str) -> int | float:
    try:
        return int(word)
    except ValueError:
        pass
    try:
        return float(word)
    except ValueError as error:
        raise BadInput("“{word}” is no number: write numbers with commas between them.", word=word[:50]) from error
