"""LoRA training: choose a dataset, look at the command that will run, start it."""

from typing import Any

import streamlit as st

from engine.adapters.store import list_adapters
from engine.data import registry
from engine.devices import has_cuda
from engine.drafts import save_draft
from engine.errors import StudioError
from engine.jobs.local import start_training
from engine.models.catalog import resolve
from engine.runs import list_runs
from engine.settings import settings
from engine.training.launch.command import check as check_launch
from engine.training.specs import SftSpec, check_spec, parse_spec
from pages.data.sample import sample_button
from pages.shared import frame
from pages.shared.drafts import Form
from pages.shared.i18n import t
from pages.shared.run_panel import run_summary
from pages.train.fields import (
    adapter_choice,
    asked,
    base_model,
    dataset_and_name,
    defaults,
    free_name,
    groups,
    in_rows,
    setting,
)
from pages.train.launch_panel import launch_panel
from pages.train.presets import preset_menu


def main() -> None:
    """The page."""
    frame.person()
    datasets = [card.name for card in registry.list_datasets() if card.kind == "messages"]
    form = Form("lora", {**defaults(SftSpec), "adapter": "", "model": settings().default_model, "unload": has_cuda()})
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.title(t("LoRA training"), width="content")
        with st.container(horizontal=True, width="content"):
            _merging()
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
    launch_panel(form, *_asked(form), "lora", _start)


def _merging() -> None:
    """The way to one adapter made of several, for whoever has several."""
    several = len(list_adapters("chat")) > 1
    if several and st.button(t("Merge adapters"), icon=":material/merge:", type="tertiary", key="lora.merge"):
        st.switch_page("pages/image/lora.py", query_params={"tab": "merge", "kind": "chat"})


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
    with st.container(border=True):
        dataset_and_name(form, SftSpec, datasets, "lora")
        model, epochs, steps = st.columns([2, 1, 1])
        base_model(model, form)
        with epochs:
            setting(form, "epochs", SftSpec)
        with steps:
            setting(form, "max_steps", SftSpec)


def _more(form: Form) -> None:
    for title, names in groups(SftSpec).items():
        st.markdown(f"**{title}**")
        in_rows(form, SftSpec, names)
        if "rank" in names:
            adapter_choice(st, form, SftSpec, "from_adapter", t("Go on from"), t("a fresh adapter"))


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
