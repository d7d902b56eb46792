"""The training step of RLHF: a method, its data, the settings that matter, the command that does the same."""

from typing import Any

import streamlit as st

from engine.adapters.store import list_adapters
from engine.data import registry
from engine.drafts import save_draft
from engine.errors import StudioError
from engine.fields import parse
from engine.jobs.local import check_training, command_line, start_training
from engine.models.catalog import list_models
from engine.runs import list_runs
from engine.settings import settings
from engine.training.rlhf_specs import KINDS, SPECS, RlhfSpec
from pages.shared import frame
from pages.shared.drafts import Form
from pages.shared.i18n import t
from pages.shared.labels import literal
from pages.shared.run_panel import run_summary
from pages.shared.text import harmless
from pages.train.fields import asked, defaults, free_name, groups, setting

A_ROW = 4
FRONT = ("dataset", "adapter", "model", "from_adapter", "max_steps", "learning_rate", "judge", "reward")


def training_tab() -> None:
    """The tab."""
    runs = [run for run in list_runs() if run.kind in SPECS]
    if runs:
        run_summary(runs[0])
    titles = _titles()
    method = st.segmented_control(
        t("Method"), list(titles), default="dpo", required=True, format_func=titles.__getitem__, key="rlhf.method"
    )
    st.caption(_about(method))
    kind = SPECS[method]
    form = Form(f"rlhf.{method}", {**defaults(kind), "adapter": "", "model": settings().default_model})
    datasets = [card.name for card in registry.list_datasets() if card.kind == KINDS.get(method, card.kind)]
    if not datasets:
        st.info(_nothing(method), icon=":material/info:")
        return
    _front(form, kind, datasets)
    with st.expander(t("More settings"), icon=":material/settings:", key=f"rlhf.{method}.more"):
        _more(form, kind)
    form.save()
    _launch(form, kind)


def _titles() -> dict[str, str]:
    return {"dpo": "DPO", "kto": "KTO", "reward": t("Reward model"), "rloo": "RLOO"}


def _about(method: str) -> str:
    return {
        "dpo": t("Learns from pairs: the chosen reply becomes likelier than the rejected one. The place to begin."),
        "kto": t("Learns from thumbs alone: good replies become likelier, bad ones less likely."),
        "reward": t("Learns to give replies a number, higher for what people prefer; it then judges others."),
        "rloo": t("The model answers again and again; a reward model or a rule says which answers were better."),
    }[method]


def _nothing(method: str) -> str:
    if method == "kto":
        return t("There are no judged replies yet: give thumbs in Chat and build them in step 1, or import some.")
    return t("There are no pairs yet: build them of what people judged in step 1, or import some in Datasets.")


def _front(form: Form, kind: type[RlhfSpec], datasets: list[str]) -> None:
    if st.session_state[form.key("dataset")] not in datasets:  # none chosen yet, or deleted since
        st.session_state[form.key("dataset")] = datasets[0]
    with st.container(border=True):
        left, right = st.columns(2)
        left.selectbox(t("Dataset"), datasets, key=form.key("dataset"), help=t("The dataset to learn from."))
        name = free_name(f"{st.session_state[form.key('dataset')]}-{kind.method}")
        right.text_input(
            t("Name of the adapter"),
            key=form.key("adapter"),
            placeholder=name,
            max_chars=80,
            help=t("You choose it by this name in Chat. Left empty, it is “{name}”.", name=literal(name)),
        )
        model, start, steps, rate = st.columns([2, 2, 1, 1])
        names = dict.fromkeys([settings().default_model, *(source.name for source in list_models())])
        model.selectbox(t("Base model"), list(names), accept_new_options=True, key=form.key("model"))
        _adapter(start, form, "from_adapter", "chat", t("Start from"), t("the base model"), kind)
        with steps:
            setting(form, "max_steps", kind)
        with rate:
            setting(form, "learning_rate", kind)
        if "reward" in kind.model_fields:
            setting(form, "reward", kind)
        if "judge" in kind.model_fields:
            _adapter(st, form, "judge", "reward", t("Judge of the comparison"), t("no reward model"), kind)


def _adapter(place: Any, form: Form, name: str, adapters: str, label: str, none: str, kind: type[RlhfSpec]) -> None:
    """A choice among the adapters of a kind; one that is gone is no longer chosen."""
    there = [adapter.name for adapter in list_adapters(kind=adapters)]
    if st.session_state[form.key(name)] not in there:
        st.session_state[form.key(name)] = None
    help_ = t(kind.model_fields[name].description or "")
    place.selectbox(label, there, index=None, placeholder=none, key=form.key(name), help=help_)


def _more(form: Form, kind: type[RlhfSpec]) -> None:
    for title, names in groups(kind).items():
        st.markdown(f"**{title}**")
        names = [name for name in names if name not in FRONT]
        for begin in range(0, len(names), A_ROW):
            columns = st.columns(A_ROW, vertical_alignment="bottom")
            for column, name in zip(columns, names[begin : begin + A_ROW], strict=False):
                with column:
                    setting(form, name, kind)


def _launch(form: Form, kind: type[RlhfSpec]) -> None:
    values = asked(kind, form.values())
    values["adapter"] = values["adapter"].strip() or free_name(f"{values['dataset']}-{kind.method}")
    clicked = False
    try:
        spec = parse(kind, values)
        st.caption(t("This command does the same, here or on another machine:"))
        st.code(command_line(spec), language=None, wrap_lines=True)
        clicked = st.button(t("Start training"), type="primary", icon=":material/play_arrow:", key="rlhf.start")
        if clicked:
            check_training(spec)
    except StudioError as error:
        show = st.error if clicked else st.warning
        show(harmless(t(error.sentence, **error.values)), icon=":material/info:")
        return
    if clicked:
        with frame.errors_shown():
            run = start_training(spec)
            save_draft(frame.person(), form.name, {**form.values(), "adapter": ""})
            st.switch_page("pages/train/runs.py", query_params={"run": run.id})
