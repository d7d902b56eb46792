"""Where an adapter comes from: its run and pictures, the adapters it was merged from, what its file said of itself."""

import json
from typing import Any

import streamlit as st

from engine.adapters.store import Adapter
from engine.settings import settings
from pages.shared.i18n import t
from pages.shared.labels import literal, when


def origin(adapter: Adapter) -> None:
    """A box that opens."""
    card = adapter.card
    with st.popover(t("Origin"), type="tertiary", icon=":material/account_tree:", key=f"image.origin.{adapter.name}"):
        st.markdown(_sentence(adapter))
        if card.created:
            st.caption(when(card.created))
        if (
            card.run
            and (settings().runs / card.run).is_dir()
            and st.button(t("Open its run"), icon=":material/monitoring:", key=f"image.run.{adapter.name}")
        ):
            st.switch_page("pages/train/runs.py", query_params={"run": card.run})
        st.caption(f"{t('Fingerprint')}: `{adapter.fingerprint}`")
        told = {"metrics": card.metrics, "spec": card.spec, "metadata": card.metadata}
        if any(told.values()):
            shown = {name: value for name, value in told.items() if value}
            st.code(json.dumps(shown, ensure_ascii=False, indent=1)[:20_000], language="json", height=240)


def _sentence(adapter: Adapter) -> str:
    card = adapter.card
    if card.method == "merge":
        return t(
            "Merged with {method} from {parents}.", method=literal(_method(card.spec)), parents=_parents(card.spec)
        )
    if card.method == "dreambooth":
        return t("Learnt here from pictures of “{words}”.", words=literal(_prompt(card.spec) or adapter.name))
    if card.method == "unknown":
        return t("Imported from a file.")
    return t("Trained with {method}.", method=literal(card.method))


def _method(spec: dict[str, Any]) -> str:
    return str(spec.get("method", "?"))


def _prompt(spec: dict[str, Any]) -> str:
    return str(spec.get("instance_prompt") or "")


def _parents(spec: dict[str, Any]) -> str:
    """The card may come from elsewhere: what is none of ours is left out."""
    parents = spec.get("parents")
    named = [parent for parent in parents if isinstance(parent, dict)] if isinstance(parents, list) else []
    return ", ".join(
        f"{literal(str(parent.get('name')), 60)} × {literal(str(parent.get('weight')), 10)}" for parent in named
    )
