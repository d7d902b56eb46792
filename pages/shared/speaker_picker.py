"""Choosing who answers: a model (in this process or on a server) and an adapter. Loads nothing."""

import streamlit as st

from engine.adapters.promotion import default_adapter
from engine.adapters.store import Adapter, list_adapters
from engine.chat.openai import OpenAIBackend, ServerModel
from engine.chat.turns import Speaker
from engine.errors import StudioError
from engine.models.catalog import list_models, resolve
from engine.settings import settings
from pages.shared.i18n import t

_SERVER = "server"
_BASE = ""


def speaker_picker(key: str, saved: Speaker, label: str, servers: bool = True) -> Speaker:
    """The controls, side by side.

    Args:
        key: beginning of the widgets' keys.
        saved: what they show at first.
        label: of the model's box.
        servers: whether a model on another server may be chosen.

    Returns:
        What is chosen now.
    """
    model_place, adapter_place = st.columns(2)
    with model_place:
        model = _model(key, saved, label, servers)
    if model == _SERVER:
        return _server(key, saved, adapter_place)
    with adapter_place:
        return Speaker(model=model, adapter=_adapter(key, saved, model))


def _model(key: str, saved: Speaker, label: str, servers: bool) -> str:
    listed = [source.name for source in list_models()]
    chosen = _SERVER if saved.server else saved.model or resolve(None).name
    options = [*listed, *([] if chosen in (*listed, _SERVER) else [chosen]), *([_SERVER] if servers else [])]
    widget = f"{key}.model"
    st.session_state.setdefault(widget, chosen)
    return st.selectbox(
        label,
        options,
        key=widget,
        format_func=lambda name: t("Another server …") if name == _SERVER else name,
        accept_new_options=True,
        help=t("The starter, a folder under var/models, or the id of a model on the hub, typed here."),
    )


def _adapter(key: str, saved: Speaker, model: str) -> str | None:
    adapters = {adapter.name: adapter for adapter in list_adapters("chat")}
    widget, default = f"{key}.adapter", default_adapter(model)
    if st.session_state.setdefault(widget, saved.adapter or _BASE) not in adapters:
        st.session_state[widget] = _BASE  # nothing was chosen, or it was deleted
    chosen = st.selectbox(
        t("Adapter"),
        [_BASE, *adapters],
        key=widget,
        format_func=lambda name: (
            _adapter_label(adapters[name], model, name == default) if name else t("none: the base model")
        ),
        help=t("What the model has learnt in a training. Trained adapters appear here at once."),
    )
    return chosen or None


def _adapter_label(adapter: Adapter, model: str, is_default: bool) -> str:
    if is_default:
        return t("{adapter} (default in chat)", adapter=adapter.name)
    base = adapter.card.base_model
    return adapter.name if base in ("", model) else t("{adapter} (made for {base})", adapter=adapter.name, base=base)


def _server(key: str, saved: Speaker, place) -> Speaker:
    with place:
        url = st.text_input(
            t("Address of the server"),
            saved.server or settings().openai_base_url or "http://127.0.0.1:8000/v1",
            key=f"{key}.server",
            help=t(
                "Any OpenAI-compatible server: another studio's `python -m engine serve`, vLLM, SGLang, llama.cpp, Ollama. "
                "The address ends in /v1."
            ),
        )
        listed = _models_of(url)
        if listed:
            return _listed_model(key, saved, url, listed)
        name = st.text_input(
            t("Its name for the model"),
            (saved.server and saved.model) or "",
            key=f"{key}.server_model",
            help=t("Empty takes the first model that the server lists."),
        )
    return Speaker(model=name or None, server=url)


def _listed_model(key: str, saved: Speaker, url: str, listed: list[ServerModel]) -> Speaker:
    models = {model.name: model for model in listed}
    widget = f"{key}.server_model.{url}"
    before = (saved.adapter or saved.model) if saved.server == url else None
    st.session_state.setdefault(widget, before or listed[0].name)
    names = [*models, *([before] if before and before not in models else [])]
    name: str = st.selectbox(
        t("Its name for the model"),
        names,
        key=widget,
        format_func=lambda name: (
            t("{adapter} (made for {base})", adapter=name, base=base)
            if name in models and (base := models[name].base)
            else name
        ),
        accept_new_options=True,
        help=t("What the server lists; adapters are models there."),
    )
    chosen = models.get(name, ServerModel(name))
    return Speaker(model=chosen.base or name, adapter=name if chosen.base else None, server=url)


@st.cache_data(ttl=30, show_spinner=False)
def _models_of(url: str) -> list[ServerModel]:
    """What a server lists; nothing where it does not answer, which is said when it is asked."""
    try:
        return OpenAIBackend(url).models()
    except StudioError:
        return []
