"""Who answers and how: model, adapter, side by side, and the folded sampling settings; kept with the conversation."""

from typing import Any

import streamlit as st
from pydantic import BaseModel, Field

from engine.adapters.promotion import default_adapter
from engine.adapters.store import read_adapter
from engine.chat import conversations
from engine.chat.conversations import Conversation
from engine.chat.turns import Speaker
from engine.models.catalog import resolve
from engine.models.request import Sampling
from pages.shared.frame import person
from pages.shared.i18n import t
from pages.shared.speaker_picker import speaker_picker


class ChatSettings(BaseModel):
    """What a conversation remembers."""

    a: Speaker = Field(default_factory=Speaker.usual)
    b: Speaker = Field(default_factory=Speaker.usual)
    side_by_side: bool = False
    blind: bool = True
    system: str = ""
    sampling: Sampling = Sampling()
    default: str | None = None
    """The adapter that was the default in chat when its speakers were chosen."""

    @property
    def speakers(self) -> list[Speaker]:
        """One, or two side by side."""
        return [self.a, self.b] if self.side_by_side else [self.a]


def speaker_of(adapter: str) -> Speaker:
    """An adapter with the base model it was made for."""
    return Speaker(model=read_adapter(adapter).card.base_model or None, adapter=adapter)


def begin_comparison(adapter: str) -> None:
    """A new conversation in which the adapter and its base answer side by side."""
    taught = speaker_of(adapter)
    default = default_adapter(resolve(None).name)
    settings = ChatSettings(a=Speaker(model=taught.model), b=taught, side_by_side=True, default=default)
    conversation = conversations.create(person(), settings=settings.model_dump())
    st.query_params["c"] = str(conversation.id)


def settings_bar(conversation: Conversation) -> ChatSettings:
    """The controls; what changes is saved at once."""
    saved = ChatSettings.model_validate(conversation.settings or {})
    # what is on the screen already may just have been chosen by the person
    on_screen = f"chat.{conversation.id}.a.adapter" in st.session_state and not st.session_state.get("chat.new")
    if conversation.leaf_id is None and not on_screen:
        _begin_with_default(conversation, saved)
    if adapter := st.session_state.pop("chat.adapter", None):  # "chat with this adapter" on another page
        _answer_with(conversation, saved, speaker_of(adapter))
    chosen = _controls(f"chat.{conversation.id}", saved).model_copy(update={"default": saved.default})
    if chosen.model_dump() != conversation.settings:
        conversations.save_settings(person(), conversation.id, chosen.model_dump())
    return chosen


def _begin_with_default(conversation: Conversation, saved: ChatSettings) -> None:
    """A new conversation takes over a promotion, or its undoing, once: what the person chooses after that is theirs."""
    model = resolve(None).name
    before, saved.default = saved.default, default_adapter(model)
    if saved.default == before or saved.a.server or saved.a.model not in (None, model):
        return
    if saved.default or saved.a.adapter == before:
        _answer_with(conversation, saved, Speaker(model=saved.a.model, adapter=saved.default))


def _answer_with(conversation: Conversation, saved: ChatSettings, speaker: Speaker) -> None:
    saved.a = speaker
    for widget in ("model", "adapter"):
        st.session_state.pop(f"chat.{conversation.id}.a.{widget}", None)


def _controls(key: str, saved: ChatSettings) -> ChatSettings:
    pickers, switch, more = st.columns([6, 2, 2], vertical_alignment="bottom")
    with switch:
        side_by_side = st.toggle(
            t("Side by side"),
            saved.side_by_side,
            key=f"{key}.side_by_side",
            help=t("Two models or adapters answer the same question; you say which is better."),
        )
    with pickers:
        a = speaker_picker(f"{key}.a", saved.a, t("First model") if side_by_side else t("Model"))
        b = speaker_picker(f"{key}.b", saved.b, t("Second model")) if side_by_side else saved.b
    if side_by_side and a == b:
        st.warning(t("Both are the same: choose another adapter or model for one of them."), icon=":material/compare:")
    with more, st.popover(t("Settings"), icon=":material/tune:", help=t("System prompt, sampling, seed")):
        blind = st.toggle(
            t("Blind"),
            saved.blind,
            key=f"{key}.blind",
            help=t("Side by side, hide and shuffle which is which until you have voted."),
            disabled=not side_by_side,
        )
        system = st.text_area(
            t("System prompt"),
            saved.system,
            key=f"{key}.system",
            help=t("Tells the model who it is and how to answer. Empty uses the model's own."),
        )
        sampling = Sampling.model_validate(sampling_controls(f"{key}.sampling", saved.sampling))
    return ChatSettings(a=a, b=b, side_by_side=side_by_side, blind=blind, system=system or "", sampling=sampling)


def sampling_controls(key: str, saved: Sampling) -> dict[str, Any]:
    """How words are chosen: one widget for each field of `Sampling`."""
    return {
        "temperature": st.slider(
            t("Temperature"),
            0.0,
            2.0,
            saved.temperature,
            0.05,
            key=f"{key}.temperature",
            help=t("Higher is more varied and less reliable; 0 always takes the likeliest word."),
        ),
        "top_p": st.slider(
            t("Top p"),
            0.05,
            1.0,
            saved.top_p,
            0.05,
            key=f"{key}.top_p",
            help=t("Lower leaves only the likeliest words to choose from."),
        ),
        "top_k": st.number_input(
            t("Top k"), 0, 1000, saved.top_k, key=f"{key}.top_k", help=t("Most words to choose from; 0 sets no limit.")
        ),
        "repetition_penalty": st.slider(
            t("Repetition penalty"),
            1.0,
            2.0,
            saved.repetition_penalty,
            0.05,
            key=f"{key}.repetition_penalty",
            help=t("Higher avoids words that have been used; too high makes the text strange."),
        ),
        "max_new_tokens": st.number_input(
            t("Longest reply, in tokens"), 1, 32768, saved.max_new_tokens, key=f"{key}.max_new_tokens"
        ),
        "seed": st.number_input(
            t("Seed"),
            0,
            2**53 - 1,
            saved.seed,
            key=f"{key}.seed",
            placeholder=t("a new one each time"),
            help=t("The same seed and settings give the same reply."),
        ),
    }
