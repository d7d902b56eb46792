"""Several adapters as one: which, how strongly, by which method; then how far the result is from what they do together.

The same for adapters of picture models and of chat models.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from engine.adapters.formats.family import FAMILIES
from engine.adapters.merging.compatible import check_options, check_weights, refuse_strangers
from engine.adapters.merging.merge import DTYPES, Merged, merge
from engine.adapters.merging.methods import DENSITY, METHODS, Options
from engine.adapters.store import Adapter, list_adapters, refuse_existing
from engine.errors import StudioError
from pages.image import merge_work
from pages.image.library_ways import bounded, chat_with, draw_with, open_tab
from pages.image.merge_result import show_result
from pages.image.merge_work import Work
from pages.shared.drafts import Form
from pages.shared.i18n import t
from pages.shared.labels import literal
from pages.shared.text import harmless
from pages.train.fields import free_name

WORK = "image.merge"
_ASKED = "kind"  # in the address: `?tab=merge&kind=chat`


@dataclass(frozen=True)
class _Order:
    """What the form asks for."""

    weighted: list[tuple[str, float]]
    name: str
    method: str
    options: Options
    dtype: str


def merge_tab() -> None:
    """The tab."""
    st.caption(
        t(
            "Draw with several adapters at once on the Draw page; merge them here if you want one file that does the same. "
            "Weights may be negative: such an adapter takes away."
        )
    )
    kind = _kind()
    adapters = {adapter.name: adapter for adapter in list_adapters(kind)}
    if not adapters:
        _empty(kind)
        return
    form = _form(kind, adapters)
    left, right = st.columns(2, gap="large")
    with left:
        chosen = _choose(form, adapters)
    with right:
        _method(form)
    form.save()
    order = _order(form, chosen)
    _begin(form, order, [adapters[name] for name in chosen])
    _outcome(kind)


def _kind() -> str:
    form = Form("merge", {"kind": "image"})
    if (asked := st.query_params.pop(_ASKED, None)) in ("image", "chat"):
        st.session_state[form.key("kind")] = asked
    kinds = {"image": t("Of picture models"), "chat": t("Of chat models")}
    kind = st.segmented_control(
        t("Adapters"),
        list(kinds),
        format_func=kinds.__getitem__,
        key=form.key("kind"),
        required=True,
        label_visibility="collapsed",
    )
    form.save()
    return kind or "image"


def _empty(kind: str) -> None:
    with st.container(border=True, key="image.merge.empty"):
        st.subheader(t("Nothing to merge yet"))
        if kind == "chat":
            st.markdown(t("Train two adapters of one base model; then one file can do what both do."))
            if st.button(t("Train an adapter"), icon=":material/model_training:", key="image.merge.train"):
                st.switch_page("pages/train/lora.py")
        else:
            st.markdown(t("Teach the model two things, or import two LoRAs; then one file can do what both do."))
            st.button(
                t("Teach it something"),
                icon=":material/school:",
                key="image.merge.teach",
                on_click=open_tab,
                args=("teach",),
            )


def _form(kind: str, adapters: dict[str, Adapter]) -> Form:
    weights = {_weight(name): adapter.card.default_weight for name, adapter in adapters.items()}
    fixed: dict[str, Any] = {"adapters": [], "name": "", "method": "cat", "rank": 8, "density": DENSITY, "seed": 0}
    form = Form(f"merge.{kind}", {**fixed, "dtype": DTYPES[0], **weights})
    there = [name for name in st.session_state[form.key("adapters")] if name in adapters]
    if there != st.session_state[form.key("adapters")]:  # some are gone
        st.session_state[form.key("adapters")] = there
    work = merge_work.current(WORK)
    if f"{form.name}:begun" in st.session_state and (work is None or not work.alive):
        del st.session_state[f"{form.name}:begun"]
        if work is not None and work.error is None:
            st.session_state[form.key("name")] = ""  # the next one needs another name
    return form


def _weight(name: str) -> str:
    return f"weight.{name}"


def _choose(form: Form, adapters: dict[str, Adapter]) -> list[str]:
    several = len({_base(adapter) for adapter in adapters.values()}) > 1
    chosen = st.multiselect(
        t("Adapters to merge"),
        list(adapters),
        format_func=lambda name: f"{name} · {_base(adapters[name])}" if several else name,
        key=form.key("adapters"),
        placeholder=t("Choose two or more of one base model"),
    )
    for name in chosen:
        st.number_input(
            t("Weight of {adapter}", adapter=literal(name)),
            step=0.05,
            format="%g",
            key=form.key(_weight(name)),
        )
    return chosen


def _base(adapter: Adapter) -> str:
    family = adapter.card.family
    if family in FAMILIES and family != "other":
        return FAMILIES[family]
    return adapter.card.base_model[:40] or t("base unknown")


def _method(form: Form) -> None:
    method = st.selectbox(
        t("Method"),
        list(METHODS),
        format_func=lambda name: t("{method} (exact)", method=name) if METHODS[name].exact else name,
        key=form.key("method"),
    )
    st.caption(t(METHODS[method].note))
    takes = METHODS[method].takes
    if "rank" in takes:
        st.number_input(
            t("Rank of the result"),
            1,
            4096,
            step=1,
            key=form.key("rank"),
            help=t("Higher keeps more of the sum and makes a larger file; at the sum of the ranks nothing is lost."),
        )
    if "density" in takes:
        st.slider(
            t("Density"),
            0.05,
            1.0,
            step=0.05,
            key=form.key("density"),
            help=t(
                "The share of values that stay: lower lets adapters disturb each other less, and loses more of each."
            ),
        )
    if "seed" in takes:
        help_ = t("Decides which values are dropped: the same seed gives the same file.")
        st.number_input(t("Seed"), 0, 2**32 - 1, step=1, key=form.key("seed"), help=help_)
    with st.expander(t("More settings"), icon=":material/settings:"):
        st.selectbox(
            t("Type of the numbers"),
            DTYPES,
            key=form.key("dtype"),
            help=t("The two smaller ones halve the file and round; what that costs is in the error."),
        )


def _order(form: Form, chosen: list[str]) -> _Order:
    values = form.values()
    takes = METHODS[values["method"]].takes
    options = Options(**{name: values[name] for name in takes})
    weighted = [(name, bounded(values[_weight(name)])) for name in chosen]
    name = values["name"].strip() or free_name("-".join(chosen) or "merged")
    return _Order(weighted, name, values["method"], options, values["dtype"])


def _begin(form: Form, order: _Order, adapters: list[Adapter]) -> None:
    work = merge_work.current(WORK)
    busy = work is not None and work.alive
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            t("Name of the new adapter"),
            key=form.key("name"),
            placeholder=order.name,
            max_chars=80,
            help=t("Left empty, it is “{name}”.", name=literal(order.name)),
        )
        clicked = st.button(
            t("Merge"), type="primary", icon=":material/merge:", disabled=busy or not adapters, key="image.merge.do"
        )
    if not adapters:
        return
    try:
        check_weights(order.weighted)
        check_options(order.method, order.options)
        refuse_strangers(adapters)
        refuse_existing(order.name)
    except StudioError as error:
        show = st.error if clicked else st.warning
        show(harmless(t(error.sentence, **error.values)), icon=":material/info:")
        return
    if clicked:
        merge_work.begin(WORK, partial(_merge, order), adapters[0].card.kind)
        st.session_state[f"{form.name}:begun"] = True
        st.rerun()


def _merge(order: _Order, work: Work) -> Merged:
    return merge(order.weighted, order.name, order.method, order.options, order.dtype, work.progress)


def _outcome(kind: str) -> None:
    work = merge_work.current(WORK)
    if work is None or work.about != kind:
        return
    if work.alive:
        merge_work.watch(WORK)
        return
    with st.container(border=True, key="image.merge.result"):
        if work.error is not None:
            merge_work.show_error(work)
            return
        merged = work.result
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(literal(merged.adapter.name), anchor=False)
            st.space("stretch")
            if kind == "image" and st.button(t("Draw with it"), icon=":material/brush:", key="image.merge.draw"):
                draw_with(merged.adapter.name)
            if kind == "chat" and st.button(t("Chat with it"), icon=":material/forum:", key="image.merge.chat"):
                chat_with(merged.adapter.name)
        show_result(merged)
