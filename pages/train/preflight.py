"""The verdict before a training starts: what it will take, what stands against it, and the person's word to start anyway."""

import streamlit as st

from engine.training import dreambooth_memory, preflight
from engine.training.dreambooth_spec import DreamboothSpec, completed
from engine.training.preflight import Verdict, gib
from engine.training.specs import SftSpec
from pages.shared.i18n import t
from pages.shared.labels import duration
from pages.shared.text import harmless

_DOUBTED = "lora.doubted"  # the settings that were held back, until the person says start or changes them


def show_verdict(spec: SftSpec | DreamboothSpec) -> None:
    """What is needed and what is there, in numbers."""
    verdict = _verdict(spec.method, spec.model_dump_json())
    numbers = {
        t("Memory, about"): t(
            "{needed} of {free} free", needed=gib(verdict.memory.total * verdict.per_device), free=gib(verdict.free)
        ),
        t("Disk, about"): t("{needed} of {free} free", needed=gib(verdict.disk), free=gib(verdict.disk_free)),
        t("Steps"): f"{verdict.steps:,}" if verdict.steps else t("known once the data are prepared"),
    }
    if verdict.prepared:
        numbers[t("Tokens an epoch")] = f"{verdict.prepared.tokens:,}"
    if verdict.seconds:
        numbers[t("Time, about")] = duration(verdict.seconds)
    st.table({"": list(numbers), " ": list(numbers.values())}, border="horizontal", hide_header=True, hide_index=True)
    _parts(verdict)
    _problems(verdict)
    if verdict.fits:
        st.success(t("Nothing stands against it."), icon=":material/check:")


def ready(spec: SftSpec | DreamboothSpec) -> bool:
    """Whether nothing stands against a start; else says what does and asks."""
    verdict = _verdict(spec.method, spec.model_dump_json())
    if verdict.fits:
        return True
    st.session_state[_DOUBTED] = spec.model_dump_json()
    _problems(verdict)
    _ask()
    return False


def start_anyway(spec: SftSpec | DreamboothSpec) -> bool:
    """Whether the person wants the settings that were held back."""
    if st.session_state.get(_DOUBTED) != spec.model_dump_json():
        return False
    return _ask()


def _ask() -> bool:
    return st.button(t("Start anyway"), icon=":material/warning:", key="lora.anyway")


@st.cache_data(ttl=10, max_entries=20, show_spinner=False)
def _verdict(method: str, spec: str) -> Verdict:
    if method == DreamboothSpec.method:
        return dreambooth_memory.preflight(completed(DreamboothSpec.model_validate_json(spec)))
    return preflight.preflight(SftSpec.model_validate_json(spec))


def _parts(verdict: Verdict) -> None:
    memory = verdict.memory
    parts = {
        t("model"): memory.model,
        t("adapter"): memory.adapter,
        t("optimizer"): memory.optimizer,
        t("activations"): memory.activations,
        t("process"): memory.process,
    }
    words = " · ".join(f"{name} {gib(size)}" for name, size in parts.items())
    st.caption(f"{t('Memory of one process')}: {words}")


def _problems(verdict: Verdict) -> None:
    for problem in verdict.problems:
        st.warning(harmless(t(problem.sentence, **problem.values)), icon=":material/warning:")
