"""The grid: pictures beside each other that differ in one or two settings, as one PNG that says how it was made."""

import hashlib
import random
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from engine.adapters.store import Adapter, list_adapters
from engine.diffusion.drawing import Progress
from engine.diffusion.grids import MOST_CELLS, Grid, cells, draw_grid, write_grid
from engine.diffusion.host import host
from engine.diffusion.recipe import LoraWeight, Recipe
from engine.diffusion.schedulers import TITLES
from engine.errors import StudioError
from engine.fields import parse
from engine.settings import settings
from pages.image import merge_work
from pages.image.draw_state import defaults_of, models
from pages.image.grid_axes import axis_defaults, axis_of, axis_widgets
from pages.image.grid_result import show_grid
from pages.image.library_ways import bounded
from pages.image.merge_work import Cancelled, Work
from pages.shared.drafts import Form
from pages.shared.frame import person
from pages.shared.i18n import t
from pages.shared.labels import literal
from pages.shared.text import harmless

WORK = "image.grid"
_OF_MODEL = ("width", "height", "steps", "guidance_scale", "scheduler")


def grid_tab() -> None:
    """The tab."""
    st.caption(
        t(
            "One picture in many ways, on one sheet: without an adapter, with each alone, with all together and merged, over "
            "seeds or prompts or any other two settings."
        )
    )
    adapters = {adapter.name: adapter for adapter in list_adapters("image")}
    form = _form(adapters)
    left, right = st.columns(2, gap="large")
    with left:
        loras = _what(form, adapters)
    with right:
        axis_widgets(form, "x", loras)
        axis_widgets(form, "y", loras)
    with st.expander(t("More settings"), icon=":material/settings:"):
        _more(form)
    form.save()
    _begin(form, loras)
    _outcome()


def _form(adapters: dict[str, Adapter]) -> Form:
    newest = list(adapters.values())[:2]
    words = [adapter.card.trigger_words for adapter in newest if adapter.card.trigger_words]
    begin = defaults_of(settings().picture_model)
    form = Form(
        "grid",
        {
            "model": settings().picture_model,
            "prompt": f"a picture of {words[0]}" if words else "",
            "negative_prompt": "",
            "adapters": [adapter.name for adapter in newest],
            **{_weight(name): adapter.card.default_weight for name, adapter in adapters.items()},
            **{name: getattr(begin, name) for name in _OF_MODEL},
            "seed": random.randrange(1000),
            **axis_defaults(),
        },
    )
    there = [name for name in st.session_state[form.key("adapters")] if name in adapters]
    if there != st.session_state[form.key("adapters")]:  # some are gone
        st.session_state[form.key("adapters")] = there
    return form


def _weight(name: str) -> str:
    return f"weight.{name}"


def _what(form: Form, adapters: dict[str, Adapter]) -> list[LoraWeight]:
    offered = dict.fromkeys([settings().picture_model, *models()])
    st.selectbox(
        t("Model"),
        list(offered),
        accept_new_options=True,
        key=form.key("model"),
        on_change=_take_defaults,
        args=(form,),
    )
    st.text_area(t("Prompt"), key=form.key("prompt"), height=80)
    chosen = st.multiselect(
        t("Adapters"), list(adapters), key=form.key("adapters"), placeholder=t("none: the base model")
    )
    loras = []
    with st.grid(2, min_column_width=140):
        for name in chosen:
            weight = st.number_input(
                t("Weight of {adapter}", adapter=literal(name)),
                step=0.05,
                format="%g",
                key=form.key(_weight(name)),
            )
            loras.append(LoraWeight(name=name, weight=bounded(weight)))
    return loras


def _take_defaults(form: Form) -> None:
    """Another model was chosen: what fits it is put in the form."""
    begin = defaults_of(st.session_state[form.key("model")])
    for name in _OF_MODEL:
        st.session_state[form.key(name)] = getattr(begin, name)


def _more(form: Form) -> None:
    st.text_input(t("Negative prompt"), key=form.key("negative_prompt"))
    with st.grid(3, min_column_width=140):
        for name, label in (("width", t("Width")), ("height", t("Height"))):
            st.number_input(label, 8, 4096, step=8, key=form.key(name))
        st.number_input(t("Steps"), 1, 500, step=1, key=form.key("steps"))
        st.number_input(t("Guidance"), 0.0, 50.0, step=0.5, format="%g", key=form.key("guidance_scale"))
        st.selectbox(t("Scheduler"), list(TITLES), format_func=TITLES.__getitem__, key=form.key("scheduler"))
        st.number_input(t("Seed"), 0, 2**53 - 1, step=1, key=form.key("seed"))


def _begin(form: Form, loras: list[LoraWeight]) -> None:
    work = merge_work.current(WORK)
    busy = work is not None and work.alive
    grid, problem, count = None, None, 0
    try:
        grid = _asked(form.values(), loras)
        count = sum(map(len, cells(grid)))
    except StudioError as error:
        problem = error
    with st.container(horizontal=True, vertical_alignment="center"):
        clicked = st.button(
            t("Draw the grid"), type="primary", icon=":material/grid_view:", disabled=busy, key="image.grid.do"
        )
        if count:
            st.caption(t("Pictures: {n} of at most {most}.", n=count, most=MOST_CELLS))
    if problem:
        show = st.error if clicked else st.warning
        show(harmless(t(problem.sentence, **problem.values)), icon=":material/info:")
    elif clicked and grid:
        merge_work.begin(WORK, partial(_draw, grid, _file()))
        st.rerun()


def _asked(values: dict[str, Any], loras: list[LoraWeight]) -> Grid:
    fields = {name: values[name] for name in ("prompt", "negative_prompt", "model", "seed", *_OF_MODEL)}
    recipe = parse(Recipe, {**fields, "loras": [lora.model_dump() for lora in loras]})
    x, y = axis_of(values, "x", loras), axis_of(values, "y", loras)
    assert x is not None
    return Grid(recipe=recipe, x=x, y=y)


def _draw(grid: Grid, file: Path, work: Work) -> None:
    def on_step(done: int, every: int, at: Progress) -> None:
        work.report(done * at.steps + at.step, every * at.steps)

    drawn = draw_grid(grid, host(), on_step=on_step, cancelled=lambda: work.cancelled)
    if drawn is None:
        raise Cancelled
    write_grid(*drawn, file)


def _outcome() -> None:
    work = merge_work.current(WORK)
    if work is not None and work.alive:
        merge_work.watch(WORK)
    elif work is not None and work.error is not None:
        merge_work.show_error(work)
    if _file().exists():
        show_grid(_file())


def _file() -> Path:
    """The last grid of this person."""
    folder = settings().var / "grids"
    folder.mkdir(exist_ok=True)
    return folder / f"{hashlib.sha256(person().encode()).hexdigest()[:24]}.png"
