"""The Draw page's first view: what to draw on the left, how it comes along and what came of it on the right."""

import secrets

import streamlit as st

from engine.diffusion import gallery
from engine.diffusion.drawing import MOST, DrawRequest, check
from engine.diffusion.recipe import Recipe
from engine.diffusion.schedulers import TITLES
from engine.diffusion.uploads import by_eight
from engine.errors import BadInput
from engine.fields import parse
from pages.image.draw_idea import idea_box, tokens_of
from pages.image.draw_loras import loras_box
from pages.image.draw_results import SEEN, results
from pages.image.draw_source import mask_of_form, source_box, source_of_form
from pages.image.draw_state import (
    LARGEST_SEED,
    NOTES,
    START,
    draw_form,
    lora_weights,
    model_source,
    models,
    take_defaults,
    written,
)
from pages.shared import frame
from pages.shared.drafts import Form
from pages.shared.i18n import t
from pages.shared.labels import literal
from pages.shared.picture_host import works

EXAMPLE = "red apple, fluent 3d"
_CHOSEN = "draw.loras"  # adapters that the library sends here, by name


def asked_view() -> None:
    """The view."""
    form = draw_form()
    _take_sent(form)
    left, right = st.columns([5, 6], gap="large")
    with left:
        clicked = _form(form)
    form.save()
    recipe = st.session_state.pop(START, None)
    with right:
        if clicked or recipe is not None:
            with frame.errors_shown():
                _begin(form, recipe)
                st.rerun()  # the form shows that it is at work
        with frame.errors_shown():
            results(form, _example)


def _form(form: Form) -> bool:
    modes = {"txt2img": t("From words"), "img2img": t("From a picture"), "inpaint": t("Repaint a part")}
    mode = st.segmented_control(
        t("How"),
        modes,
        format_func=modes.__getitem__,
        key=form.key("mode"),
        required=True,
        label_visibility="collapsed",
    )
    for name in st.session_state.get(NOTES, []):
        st.warning(
            t("“{name}” is not the one this picture was drawn with: it will come out otherwise.", name=literal(name)),
            icon=":material/difference:",
        )
    if mode != "txt2img":
        source_box(form)
    idea_box(form)
    _prompt(form)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        work = works().of(frame.person())
        busy = work is not None and not work.ended and not work.cancelled
        clicked = st.button(t("Draw"), type="primary", icon=":material/brush:", key="draw.go", disabled=busy)
        st.number_input(
            t("Pictures"),
            1,
            MOST,
            key=form.key("count"),
            width=110,
            help=t("Each has a seed of its own: the first one's, and those after it."),
        )
    loras_box(form)
    with st.expander(t("Settings"), icon=":material/tune:", key="draw.settings"):
        _settings(form)
    return clicked


def _prompt(form: Form) -> None:
    st.text_area(
        t("Prompt"),
        key=form.key("prompt"),
        height=90,
        placeholder=t("What the picture shows, such as “{example}”", example=EXAMPLE),
        on_change=form.save,
    )
    # a place of its own: a line that comes and goes would shift what follows, and the browser drop what is being typed there
    with st.container():
        if st.session_state[form.key("prompt")].strip():
            _tokens(form)
    st.text_input(
        t("Not in the picture"),
        key=form.key("negative_prompt"),
        placeholder=t("Negative prompt: what to keep away from"),
        on_change=form.save,
    )


def _tokens(form: Form) -> None:
    """How much of the prompt's room is used."""
    tokens = tokens_of(form)
    used = tokens.count(st.session_state[form.key("prompt")])
    said = t("{used} of {limit} tokens", used=used, limit=tokens.limit)
    if used > tokens.limit:
        st.caption(f":red[{said}] · {t('The model does not see what is beyond the limit.')}")
    else:
        st.caption(said if tokens.exact else t("about {used} of {limit} tokens", used=used, limit=tokens.limit))


def _settings(form: Form) -> None:
    _model(form)
    width, height = st.columns(2)
    with width:
        _side(form, "width", t("Width"))
    with height:
        _side(form, "height", t("Height"))
    st.slider(
        t("Steps"),
        1,
        150,
        key=form.key("steps"),
        help=t("More is slower and finer; above some thirty little changes."),
    )
    st.slider(
        t("Guidance"),
        0.0,
        30.0,
        step=0.5,
        key=form.key("guidance_scale"),
        help=t("Higher keeps closer to the prompt and looks harsher; lower is freer."),
    )
    st.selectbox(
        t("Scheduler"),
        list(TITLES),
        key=form.key("scheduler"),
        format_func=lambda name: TITLES[name],
        help=t("How noise becomes a picture: others need fewer steps or draw softer."),
    )
    _seed(form)


def _model(form: Form) -> None:
    listed = models()
    chosen = st.session_state[form.key("model")]
    st.selectbox(
        t("Picture model"),
        [*listed, *([] if chosen in listed else [chosen])],
        key=form.key("model"),
        accept_new_options=True,
        on_change=take_defaults,
        args=(form,),
        help=t("A folder or .safetensors file under var/models, or the id of a model on the hub, typed here."),
    )
    if model_source(chosen) is None:
        st.caption(t("This model is not here: choose another one."))


def _side(form: Form, field: str, label: str) -> None:
    st.number_input(
        label,
        8,
        4096,
        step=8,
        key=form.key(field),
        help=t("In pixels, a multiple of 8. Models draw best at the size they learnt."),
        on_change=_round_side,
        args=(form, field),
    )


def _round_side(form: Form, field: str) -> None:
    """For a callback: the field shows what is drawn."""
    st.session_state[form.key(field)] = by_eight(st.session_state[form.key(field)])


def _seed(form: Form) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.number_input(
            t("Seed"),
            0,
            LARGEST_SEED,
            key=form.key("seed"),
            placeholder=t("a new one each time"),
            width=220,
            help=t("The same seed and settings give the same picture."),
        )
        st.button(t("New"), icon=":material/casino:", key="draw.dice", on_click=_set_seed, args=(form, None))
        shown = st.session_state[form.key("shown")]
        st.button(
            t("Same again"),
            icon=":material/repeat:",
            key="draw.same",
            disabled=not shown,
            on_click=_same_seed,
            args=(form,),
        )


def _set_seed(form: Form, seed: int | None) -> None:
    st.session_state[form.key("seed")] = seed


def _same_seed(form: Form) -> None:
    with frame.errors_shown():
        seed = gallery.get(st.session_state[form.key("shown")][0]).recipe.seed
        _set_seed(form, seed if seed <= LARGEST_SEED else None)


def _take_sent(form: Form) -> None:
    """Adapters that another page, or the address, names."""
    names = st.session_state.pop(_CHOSEN, None) or st.query_params.get_all("lora")
    st.query_params.pop("lora", None)
    if names:
        from pages.image.draw_loras import choose

        choose(form, [str(name) for name in names[:20]])


def _begin(form: Form, again: Recipe | None) -> None:
    """Start drawing what the form says, or a recipe as it is."""
    if again is None:
        recipe = _recipe(form)
        source, mask = source_of_form(form, recipe.mode), mask_of_form(form, recipe.mode)
        count = st.session_state[form.key("count")]
    else:
        recipe, count = again, 1
        source, mask = gallery.source_of(again), gallery.mask_of(again)
    request = DrawRequest(recipe, count, source, mask)
    check(request)
    st.session_state[SEEN] = works().begin(frame.person(), request)
    st.session_state.pop(NOTES, None)


def _recipe(form: Form) -> Recipe:
    values = form.values()
    if not values["prompt"].strip():
        raise BadInput("The prompt is empty: write what the picture shall show.")
    wrote = written(form)
    kept = ("negative_prompt", "mode", "model", "steps", "guidance_scale", "scheduler")
    return parse(
        Recipe,
        {
            **{name: values[name] for name in kept},
            "prompt": values["prompt"].strip(),
            "width": by_eight(values["width"]),
            "height": by_eight(values["height"]),
            "seed": secrets.randbelow(2**32) if values["seed"] is None else values["seed"],
            "strength": values["strength"] if values["mode"] != "txt2img" else None,
            "loras": lora_weights(form),
            "idea": wrote["idea"] if wrote else None,
        },
    )


def _example(form: Form) -> None:
    """For a callback: the empty page's one click."""
    st.session_state[form.key("prompt")] = EXAMPLE
    st.session_state[form.key("mode")] = "txt2img"
    form.save()
    with frame.errors_shown():
        st.session_state[START] = _recipe(form)
