"""LoRA training: choose a dataset, look at the command that will run, start it."""

from typing import Any

import streamlit as st

from engine.adapters.store import list_adapters
from engine.data import registry
from engine.devices import has_cuda
from engine.drafts import save_draft
from engine.errors import StudioError
from engine.jobs.local import command_line, start_training
from engine.models.catalog import list_models, resolve
from engine.runs import list_runs
from engine.settings import settings
from engine.training.launch.command import check as check_launch
from engine.training.specs import SftSpec, check_spec, parse_spec
from pages.data.sample import sample_button
from pages.shared import frame
from pages.shared.drafts import Form
from pages.shared.i18n import t
from pages.shared.labels import literal
from pages.shared.run_panel import run_summary
from pages.shared.text import harmless
from pages.train.fields import asked, defaults, free_name, groups, setting
from pages.train.preflight import ready, show_verdict, start_anyway
from pages.train.presets import preset_menu

A_ROW = 4


def main() -> None:
    """The page."""
    frame.person()
    datasets = [card.name for card in registry.list_datasets() if card.kind == "messages"]
    form = Form("lora", {**defaults(SftSpec), "adapter": "", "model": settings().default_model, "unload": has_cuda()})
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.title(t("LoRA training"), width="content")
        if datasets:
            preset_menu(form)
    st.caption(
        t(
            "A small adapter learns from the dataset you choose; the base model stays as it is, and you can compare the two."
        )
    )
    if not datasets:
        _empty()
        return
    _last_run()
    _front(form, datasets)
    with st.expander(t("More settings"), icon=":material/settings:"):
        _more(form)
    form.save()
    _launch(form)


def _empty() -> None:
    with st.container(border=True, key="lora.empty"):
        st.subheader(t("Nothing to learn from yet"))
        sample_button("lora.sample")
        if st.button(t("Or add your own data"), type="tertiary", icon=":material/dataset:", key="lora.datasets"):
            st.switch_page("pages/data/datasets.py")


def _last_run() -> None:
    runs = [run for run in list_runs() if run.kind == "sft"]
    if runs:
        run_summary(runs[0])


def _front(form: Form, datasets: list[str]) -> None:
    if st.session_state[form.key("dataset")] not in datasets:  # none chosen yet, or deleted since
        st.session_state[form.key("dataset")] = datasets[0]
    adapter = free_name(f"{st.session_state[form.key('dataset')]}-lora")
    with st.container(border=True):
        left, right = st.columns(2)
        left.selectbox(
            t("Dataset"), datasets, key=form.key("dataset"), help=t(SftSpec.model_fields["dataset"].description or "")
        )
        right.text_input(
            t("Name of the adapter"),
            key=form.key("adapter"),
            placeholder=adapter,
            max_chars=80,
            help=t("You choose it by this name in Chat. Left empty, it is “{name}”.", name=literal(adapter)),
        )
        model, epochs, steps = st.columns([2, 1, 1])
        names = dict.fromkeys([settings().default_model, *(source.name for source in list_models())])
        model.selectbox(
            t("Base model"),
            list(names),
            accept_new_options=True,
            key=form.key("model"),
            help=t("A model of this machine, or type a hub id such as {name}.", name="`Qwen/Qwen3-0.6B`"),
        )
        with epochs:
            setting(form, "epochs", SftSpec)
        with steps:
            setting(form, "max_steps", SftSpec)


def _more(form: Form) -> None:
    for title, names in groups(SftSpec).items():
        st.markdown(f"**{title}**")
        for start in range(0, len(names), A_ROW):
            for column, name in zip(
                st.columns(A_ROW, vertical_alignment="bottom"), names[start : start + A_ROW], strict=False
            ):
                with column:
                    setting(form, name, SftSpec)
        if "rank" in names:
            _continued(form)


def _continued(form: Form) -> None:
    st.selectbox(
        t("Go on from"),
        [adapter.name for adapter in list_adapters(kind="chat")],
        index=None,
        placeholder=t("a fresh adapter"),
        key=form.key("from_adapter"),
        help=t(SftSpec.model_fields["from_adapter"].description or ""),
    )


def _launch(form: Form) -> None:
    spec, problem = _asked(form)
    if spec:
        st.caption(t("This command does the same, here or on another machine:"))
        st.code(command_line(spec), language=None, wrap_lines=True)
        if not problem:
            with st.expander(
                t("What it will take"), icon=":material/fact_check:", key="lora.preflight", on_change="rerun"
            ) as box:
                if box.open:
                    show_verdict(spec)
    with st.container(horizontal=True, vertical_alignment="center"):
        clicked = st.button(t("Start training"), type="primary", icon=":material/play_arrow:", key="lora.start")
        unload = st.checkbox(
            t("Unload the chat model first"),
            key=form.key("unload"),
            help=t("Gives its memory to the training. Chat loads it again when somebody writes."),
        )
    if problem:
        show = st.error if clicked else st.warning
        show(harmless(t(problem.sentence, **problem.values)), icon=":material/info:")
    elif clicked and spec:
        with frame.errors_shown():
            if ready(spec):
                _start(form, spec, unload)
    elif spec and start_anyway(spec):
        with frame.errors_shown():
            _start(form, spec, unload)


def _asked(form: Form) -> tuple[SftSpec | None, StudioError | None]:
    """What the form asks for, and why it cannot be had."""
    values: dict[str, Any] = asked(SftSpec, {name: value for name, value in form.values().items() if name != "unload"})
    values["adapter"] = values["adapter"].strip() or free_name(f"{values['dataset']}-lora")
    spec = None
    try:
        spec = parse_spec(values)
        resolve(spec.model, paths=False)
        check_launch(spec)
        if not spec.from_adapter:  # comparing an adapter's base may load libraries: that waits for the click
            check_spec(spec)
    except StudioError as error:
        return spec, error
    return spec, None


def _start(form: Form, spec: SftSpec, unload: bool) -> None:
    run = start_training(spec, unload)
    # the next adapter needs another name; all else is worth keeping
    save_draft(frame.person(), form.name, {**form.values(), "adapter": ""})
    st.switch_page("pages/train/runs.py", query_params={"run": run.id})


main()
