"""Teaching a picture model one thing by DreamBooth: pictures, a prompt, a name; look at the command that will run, start it."""

from pathlib import Path
from typing import Any

import streamlit as st

from engine.devices import devices, has_cuda
from engine.diffusion import catalog
from engine.diffusion.families import defaults as model_defaults
from engine.drafts import save_draft
from engine.errors import BadInput, StudioError
from engine.jobs.local import start_training
from engine.runs import list_runs
from engine.settings import settings
from engine.training.dreambooth_base import divisor
from engine.training.dreambooth_pictures import Size, buckets, problems, read_folder, trigger_of
from engine.training.dreambooth_spec import (
    PRESETS,
    DreamboothSpec,
    parse_dreambooth,
    suggested_preset,
)
from engine.training.launch.command import check as check_launch
from engine.training.training_spec import refuse_taken
from pages.image import training_pictures
from pages.image.training_list import nothing_yet, picture_list
from pages.image.training_presets import preset_menu
from pages.shared import frame
from pages.shared.drafts import Form
from pages.shared.i18n import t
from pages.shared.labels import literal
from pages.shared.run_panel import run_summary
from pages.train.fields import asked, defaults, free_name, groups, in_rows, setting
from pages.train.launch_panel import launch_panel

FORM = "dreambooth"
_NOT_HERE = ("executor", "zero", "offload", "fsdp", "deepspeed")
"""Settings of a launch that DreamBooth has no use for."""
_UNKNOWN: list[Size] = [(512, 512)]
"""Where pictures are shown as long as no model says what it takes."""


def teach_tab() -> None:
    """The tab."""
    person = frame.person()
    form = Form(FORM, _defaults())
    runs = [run for run in list_runs() if run.kind == DreamboothSpec.method]
    if runs:
        run_summary(runs[0])
    if not training_pictures.entries(person):
        nothing_yet(form)
        form.save()
        return
    sizes = _sizes(form.values())
    with st.spinner(t("Looking at the pictures …"), show_time=True):
        folder = training_pictures.prepare(person, sizes)
    with st.container(border=True):
        picture_list(sizes)
    _front(form)
    with st.expander(t("More settings"), icon=":material/settings:", key="image.teach.more"):
        preset_menu(form)
        _more(form)
    form.save()
    launch_panel(form, *_asked(form, str(folder)), "image.teach", _start)


def _defaults() -> dict[str, Any]:
    gpus = [device.total for device in devices() if device.name != "cpu"]
    preset = PRESETS[suggested_preset(max(gpus, default=None))]
    known = {name: value for name, value in defaults(DreamboothSpec).items() if name != "images"}
    texts = {"instance_prompt": "", "class_prompt": "", "adapter": "", "model": settings().picture_model}
    as_typed = {name: float(value) if isinstance(known[name], float) else value for name, value in preset.items()}
    return {**known, **texts, **as_typed, "unload": has_cuda()}


def _sizes(values: dict[str, Any]) -> list[Size]:
    """The sizes that pictures are brought to; nothing is downloaded to find out."""
    try:
        source = catalog.resolve(values["model"], paths=False)
        if source.kind == "hub":
            side, step = values["resolution"] or 1024, 64
        else:
            side, step = values["resolution"] or model_defaults(source).width, divisor(source)
    except StudioError:  # said where the training is started
        return _UNKNOWN
    return (buckets(side, step) if values["buckets"] else []) or [(side, side)]


def _front(form: Form) -> None:
    with st.container(border=True), st.grid(2, min_column_width=280):
        setting(form, "instance_prompt", DreamboothSpec)
        setting(form, "class_prompt", DreamboothSpec)
        name = free_name(_name(st.session_state[form.key("instance_prompt")]))
        st.text_input(
            t("Name of the adapter"),
            key=form.key("adapter"),
            placeholder=name,
            max_chars=80,
            help=t("You choose it by this name on the Draw page. Left empty, it is “{name}”.", name=literal(name)),
        )
        _model(form)
        setting(form, "repeats", DreamboothSpec)
        setting(form, "max_steps", DreamboothSpec)


def _name(prompt: str | None) -> str:
    """A name for what the prompt means: its last words."""
    words = "-".join(trigger_of(prompt or "").split()[:4])
    return "".join(sign for sign in words if sign.isalnum() or sign == "-").strip("-") or "picture-lora"


def _model(form: Form) -> None:
    names = dict.fromkeys([settings().picture_model, *(source.name for source in catalog.list_models())])
    st.selectbox(
        t("Base model"),
        list(names),
        accept_new_options=True,
        key=form.key("model"),
        help=t(
            "A picture model of this machine, or type a hub id such as {name}.",
            name="`stabilityai/stable-diffusion-xl-base-1.0`",
        ),
    )


def _more(form: Form) -> None:
    for title, names in groups(DreamboothSpec).items():
        st.markdown(f"**{title}**")
        in_rows(form, DreamboothSpec, [name for name in names if name not in _NOT_HERE])


def _asked(form: Form, images: str) -> tuple[DreamboothSpec | None, StudioError | None]:
    """What the form asks for, and why it cannot be had."""
    values = asked(DreamboothSpec, {name: value for name, value in form.values().items() if name != "unload"})
    prompt = " ".join((values["instance_prompt"] or "").split())
    values |= {"images": images, "instance_prompt": prompt}
    values["adapter"] = (values["adapter"] or "").strip() or free_name(_name(prompt))
    spec = None
    try:
        if not prompt:
            raise BadInput("Write the prompt that shall mean the thing, with a word that the model does not know.")
        spec = parse_dreambooth(values)
        catalog.resolve(spec.model, paths=False)
        check_launch(spec)
        refuse_taken(spec.adapter)
        for problem in problems(read_folder(Path(images))):
            raise problem  # counting the prompt's tokens loads a library: that waits for the click
    except StudioError as error:
        return spec, error
    return spec, None


def _start(form: Form, spec: DreamboothSpec, unload: bool) -> None:
    with st.spinner(t("Starting …")):
        run = start_training(spec, unload)
    # the next adapter needs another name; all else is worth keeping
    save_draft(frame.person(), form.name, {**form.values(), "adapter": ""})
    st.switch_page("pages/train/runs.py", query_params={"run": run.id})
