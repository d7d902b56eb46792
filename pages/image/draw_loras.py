"""Which LoRAs take part and how strongly; their trigger words, ready to be put in the prompt."""

from typing import Any

import streamlit as st

from engine.adapters.store import Adapter, list_adapters
from engine.diffusion.prompt_bounds import missing_triggers, split_triggers, with_triggers
from pages.shared.drafts import Form
from pages.shared.i18n import t
from pages.shared.labels import literal

_BLOCKS = ("text_encoder", "down", "mid", "up")
_TURN = "draw.add_lora.turn"  # another box after each choice: the browser may send the last choice of the old one again


def loras_box(form: Form) -> None:
    """The folded part of the form."""
    there = {adapter.name: adapter for adapter in list_adapters("image")}
    # new ones each time: a draft is written when it differs from the one before
    chosen: list[dict[str, Any]] = [dict(one) for one in st.session_state[form.key("adapters")]]
    st.session_state[form.key("adapters")] = chosen
    label = t("LoRAs ({n})", n=len(chosen)) if chosen else t("LoRAs")
    with st.expander(label, icon=":material/extension:", expanded=bool(chosen), key="draw.lora_box"):
        for one in chosen:
            _one(form, one, there.get(one["name"]))
        rest = [name for name in there if name not in {one["name"] for one in chosen}]
        if rest:
            turn = st.session_state.setdefault(_TURN, 0)
            st.selectbox(
                t("Add a LoRA"),
                rest,
                index=None,
                key=f"draw.add_lora.{turn}",
                placeholder=t("Choose one of {n}", n=len(rest)),
                on_change=_add,
                args=(form, turn),
            )
        elif not there:
            st.caption(t("There is none yet: a LoRA teaches the picture model a new thing or a style."))
            st.page_link("pages/image/lora.py", label=t("Go to Image LoRA"), icon=":material/palette:")


def choose(form: Form, names: list[str]) -> None:
    """Take these adapters and no others, at the weights their cards name."""
    there = {adapter.name: adapter for adapter in list_adapters("image")}
    st.session_state[form.key("adapters")] = [_entry(there[name]) for name in dict.fromkeys(names) if name in there]


def _entry(adapter: Adapter) -> dict[str, Any]:
    return {"name": adapter.name, "weight": adapter.card.default_weight, "blocks": {}}


def _one(form: Form, one: dict[str, Any], adapter: Adapter | None) -> None:
    name = one["name"]
    key = f"draw.lora.{name}"
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f"**{literal(name)}**", width="content")
            st.button(
                " ",
                icon=":material/close:",
                type="tertiary",
                help=t("Take it out"),
                key=f"{key}.remove",
                on_click=_remove,
                args=(form, name),
            )
        if adapter is None:
            st.caption(t("It is not in the library any more."))
        st.session_state.setdefault(f"{key}.weight", float(one["weight"]))
        most = 2.0 if abs(one["weight"]) <= 2 else 10.0
        one["weight"] = st.slider(
            t("Weight"),
            -most,
            most,
            step=0.05,
            key=f"{key}.weight",
            help=t("1 is as it was trained; more is stronger, less is weaker, below 0 does the opposite."),
        )
        _triggers(form, adapter, key)
        with st.popover(t("Per block"), type="tertiary", icon=":material/layers:"):
            one["blocks"] = _blocks(one["blocks"], key)


def _triggers(form: Form, adapter: Adapter | None, key: str) -> None:
    triggers = split_triggers(adapter.card.trigger_words) if adapter else []
    if not triggers:
        return
    missing = missing_triggers(st.session_state[form.key("prompt")], triggers)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(t("Trigger words: {words}", words=literal(", ".join(triggers))), width="content")
        if missing:
            st.button(
                t("Put in the prompt"),
                icon=":material/add:",
                type="tertiary",
                key=f"{key}.insert",
                on_click=_insert,
                args=(form, missing),
            )


def _blocks(saved: dict[str, float], key: str) -> dict[str, float]:
    st.caption(t("Empty: as strong as the weight above."))
    titles = {
        "text_encoder": t("Text encoder"),
        "down": t("UNet, on the way down"),
        "mid": t("UNet, middle"),
        "up": t("UNet, on the way up"),
    }
    found = {name: weight for name, weight in saved.items() if name not in titles}  # of single blocks, from a recipe
    for name in _BLOCKS:
        st.session_state.setdefault(f"{key}.{name}", saved.get(name))
        weight = st.number_input(titles[name], -10.0, 10.0, step=0.1, key=f"{key}.{name}", placeholder="–")
        if weight is not None:
            found[name] = weight
    return found


def _add(form: Form, turn: int) -> None:
    name = st.session_state[f"draw.add_lora.{turn}"]
    st.session_state[_TURN] = turn + 1
    chosen = st.session_state[form.key("adapters")]
    adapter = next((adapter for adapter in list_adapters("image") if adapter.name == name), None)
    if adapter and name not in {one["name"] for one in chosen}:
        st.session_state[form.key("adapters")] = [*chosen, _entry(adapter)]


def _remove(form: Form, name: str) -> None:
    kept = [one for one in st.session_state[form.key("adapters")] if one["name"] != name]
    st.session_state[form.key("adapters")] = kept
    for key in [key for key in st.session_state if str(key).startswith(f"draw.lora.{name}.")]:
        del st.session_state[key]


def _insert(form: Form, triggers: list[str]) -> None:
    key = form.key("prompt")
    st.session_state[key] = with_triggers(st.session_state[key], triggers)
