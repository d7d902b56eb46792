"""The training step of RLHF: a method, its data, the settings that matter, the command that does the same."""

import streamlit as st

from engine.data import registry
from engine.drafts import save_draft
from engine.errors import StudioError
from engine.fields import parse
from engine.jobs.local import check_training, command_line, start_training
from engine.runs import list_runs
from engine.settings import settings
from engine.training.rlhf_specs import KINDS, SPECS, RlhfSpec
from pages.shared import frame
from pages.shared.drafts import Form
from pages.shared.i18n import t
from pages.shared.run_panel import run_summary
from pages.shared.text import harmless
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
    with st.container(border=True):
        dataset_and_name(form, kind, datasets, kind.method)
        model, start, steps, rate = st.columns([2, 2, 1, 1])
        base_model(model, form)
        adapter_choice(start, form, kind, "from_adapter", t("Start from"), t("the base model"))
        with steps:
            setting(form, "max_steps", kind)
        with rate:
            setting(form, "learning_rate", kind)
        if "reward" in kind.model_fields:
            setting(form, "reward", kind)
        if "judge" in kind.model_fields:
            adapter_choice(st, form, kind, "judge", t("Judge of the comparison"), t("no reward model"), "reward")


def _more(form: Form, kind: type[RlhfSpec]) -> None:
    for title, names in groups(kind).items():
        st.markdown(f"**{title}**")
        in_rows(form, kind, [name for name in names if name not in FRONT])


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
