"""The machine: its devices with their memory, and the models that sit in it. Asking never loads one."""

import streamlit as st

from engine.devices import Device, devices
from engine.models.loaded import LoadedModel
from pages.shared import frame
from pages.shared.host import studio_host
from pages.shared.i18n import t
from pages.shared.labels import literal

_EVERY = "2s"


def machine(live: bool) -> None:
    """Devices and loaded models.

    Args:
        live: look again every two seconds, as some run is changing what is free.
    """
    busy = any(model.busy for model in studio_host().loaded())
    st.fragment(_machine, run_every=_EVERY if live or busy else None)(live, busy)


def _machine(live: bool, was_busy: bool) -> None:
    with frame.errors_shown():
        st.subheader(t("This machine"), anchor=False)
        for device in devices():
            _device(device)
        loaded = studio_host().loaded()
        if was_busy and not live and not any(model.busy for model in loaded):
            st.rerun()  # the whole page, which then stops looking every two seconds
        if not loaded:
            st.caption(t("No model is in memory: the first question loads one."))
        for model in loaded:
            _model(model)


def _device(device: Device) -> None:
    used = 1 - device.free / device.total
    sizes = t("{free} of {total} GiB free", free=f"{device.free / 2**30:.1f}", total=f"{device.total / 2**30:.1f}")
    st.progress(min(1.0, max(0.0, used)), f"**{device.name}** {literal(device.label)} · {sizes}")


def _model(model: LoadedModel) -> None:
    with st.container(border=True, key=f"home.model.{model.name}"):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f"**{literal(model.name)}**", width="content")
            if st.button(
                t("Unload"),
                type="tertiary",
                icon=":material/eject:",
                key=f"home.model.{model.name}.unload",
                disabled=not model.dtype,
                help=t("Gives its memory back. The next question loads it again."),
            ):
                _unload(model)
        st.caption(_facts(model))
        if len(model.copies) > 1:
            for number, copy in enumerate(model.copies, 1):
                st.caption(t("Copy {n}: {facts}", n=number, facts=_facts(copy)))
        if model.plan:
            st.caption(t(model.plan.reason, **model.plan.values))
        if model.adapters:
            st.markdown(" ".join(f":gray-badge[:material/extension: {literal(name)}]" for name in model.adapters))


def _facts(model: LoadedModel) -> str:
    if model.trouble:
        return t("Has failed, the others go on: {reason}", reason=literal(model.trouble[:300]))
    if not model.dtype:
        return t("Is being loaded …")
    facts = [f"{model.bytes / 2**30:.2f} GiB", model.dtype, ", ".join(sorted(model.devices))]
    if model.busy:
        facts.append(t("requests in progress: {n}", n=model.busy))
    return " · ".join(facts)


def _unload(model: LoadedModel) -> None:
    if model.busy:
        st.dialog(t("It is answering somebody"))(_confirm)(model)
    else:
        _unload_now(model)


def _confirm(model: LoadedModel) -> None:
    st.markdown(t("Replies in progress end where they are. What was written so far is kept."))
    if st.button(t("Unload"), type="primary", icon=":material/eject:", key="home.unload.confirm"):
        _unload_now(model)


def _unload_now(model: LoadedModel) -> None:
    with st.spinner(t("Unloading …")):  # the token that is being made is finished first
        studio_host().unload(model.name)
    st.rerun()
