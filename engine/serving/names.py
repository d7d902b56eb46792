"""Which models a request may name: chat models and adapters, embedding models, picture models.

Names come from strangers, so only what this machine has is found: nothing is downloaded because somebody asked for it.
"""

import importlib.util
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from engine.adapters.store import Adapter, list_adapters, read_adapter
from engine.diffusion import catalog as picture_catalog
from engine.knowledge import bases
from engine.knowledge.embedding import EMBEDDINGS
from engine.models import catalog
from engine.models.host import host
from engine.serving.refusals import Refusal
from engine.settings import settings


@dataclass(frozen=True)
class Named:
    """What a name stands for."""

    name: str
    """As answers and metrics call it."""
    model: str
    adapter: Adapter | None = None


def chat_model(name: str | None, default: str | None) -> Named:
    """The chat model, or the adapter with its base, that a request means.

    Args:
        name: as the request says; None for the default.
        default: the server's; None for the studio's.

    Raises:
        Refusal: there is none.
        BadInput: it is an adapter of another kind, or damaged.
    """
    default = catalog.resolve(default).name
    return _named(name, _chat_models(default), default, "chat")


def picture_model(name: str | None) -> Named:
    """The picture model, or the adapter with its base, that a request means; None takes the studio's.

    Raises:
        Refusal: there is none.
        BadInput: it is an adapter of another kind, or damaged.
    """
    models = _picture_models()
    if not models:
        raise Refusal(
            "There is no picture model here: set STUDIO_PICTURE_MODEL, or put one under var/models.", status=404
        )
    default = settings().picture_model if settings().picture_model in models else models[0]
    return _named(name, models, default, "image")


def embedding_model(name: str | None) -> str:
    """The embedding model that a request means; None takes the first.

    Raises:
        Refusal: there is none.
    """
    models = _embeddings()
    if name not in (None, *models) or not models:
        raise Refusal(
            "“{name}” is no embedding model here: {known}.",
            status=404,
            code="model_not_found",
            param="model",
            name=str(name)[:200],
            known=", ".join(models) or "–",
        )
    return name or models[0]


def listed(default: str | None) -> list[dict[str, Any]]:
    """The answer to `/v1/models`: the default chat model first, what is in memory, adapters, embeddings, pictures."""
    first = catalog.resolve(default).name
    chat = [first, *(model.name for model in host().loaded() if model.name != first)]
    pictures = _picture_models()
    return [
        *(_entry(name, "chat") for name in chat),
        *(_of_adapter(adapter, "chat") for adapter in list_adapters("chat")),
        *(_entry(name, "embedding") for name in _embeddings()),
        *(_entry(name, "image") for name in pictures),
        *(_of_adapter(adapter, "image") for adapter in list_adapters("image") if pictures),
    ]


def _entry(name: str, kind: str, parent: str | None = None, created: float = 0) -> dict[str, Any]:
    entry = {"id": name, "object": "model", "created": int(created), "owned_by": "studio", "kind": kind}
    return {**entry, "parent": parent} if parent else entry


def _of_adapter(adapter: Adapter, kind: str) -> dict[str, Any]:
    return _entry(adapter.name, kind, adapter.card.base_model or "unknown", adapter.card.created)


def _chat_models(default: str) -> set[str]:
    return {default, *(source.name for source in catalog.list_models()), *(model.name for model in host().loaded())}


def _picture_models() -> list[str]:
    there = [source.name for source in picture_catalog.list_models()]
    default = settings().picture_model
    return there if default in (*there, picture_catalog.STARTER) else [default, *there]


def _embeddings() -> list[str]:
    installed = [
        name for name, known in EMBEDDINGS.items() if known.package and importlib.util.find_spec(known.package)
    ]
    return list(dict.fromkeys([*installed, *(base.embedding for base in bases.list_bases() if base.embedding)]))


def _named(name: str | None, models: Container[str], default: str, kind: str) -> Named:
    """A model of these, or an adapter of the kind with its base."""
    if not name or name in models:
        return Named(name or default, name or default)
    adapter = _adapter(name, kind)
    base = adapter.card.base_model
    return Named(name, base if base in models else default, adapter)


def _adapter(name: str, kind: str) -> Adapter:
    if name.startswith(".") or name not in {path.name for path in settings().lora_store.iterdir()}:
        raise _unknown(name)
    return read_adapter(name, kind)


def _unknown(name: str) -> Refusal:
    return Refusal(
        "There is no model “{name}” here: /v1/models lists those there are.",
        status=404,
        code="model_not_found",
        param="model",
        name=name[:200],
    )
