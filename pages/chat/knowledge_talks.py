"""The saved conversations about knowledge bases, and what each remembers: the bases it asks, who answers, and how."""

import streamlit as st
from pydantic import BaseModel, Field

from engine.adapters.promotion import default_adapter
from engine.chat import conversations
from engine.chat.conversations import Conversation
from engine.chat.turns import Speaker
from engine.errors import BadInput
from engine.knowledge.bases import Base
from engine.models.catalog import resolve
from engine.models.request import Sampling
from pages.chat.settings_bar import sampling_controls
from pages.shared.frame import person
from pages.shared.i18n import t
from pages.shared.speaker_picker import speaker_picker

MOST_READ = 10
_SEEN = "knowledge.conversation"  # id of the conversation that was on the page


class TalkSettings(BaseModel):
    """What a conversation about knowledge bases remembers."""

    knowledge: list[str] = []
    """Ids of the bases that are asked. Chat's own conversations have no such field."""
    a: Speaker = Field(default_factory=Speaker.usual)
    sampling: Sampling = Sampling(temperature=0, max_new_tokens=256)
    """The likeliest words, and not many: an answer shall keep to its passages."""
    passages: int = 5
    """That an answer reads at most."""
    compare: bool = False
    """Whether each question is also answered without the documents."""


def asked_about() -> str | None:
    """The first base of a conversation that was just opened; None if none was."""
    conversation = _of_address()
    opened = conversation.id if conversation else None
    if opened == st.session_state.get(_SEEN) or conversation is None:
        return None
    st.session_state[_SEEN] = opened
    return next(iter(_saved(conversation).knowledge), None)


def current_conversation(base: Base) -> Conversation:
    """The one in the address, else the last one about this base, else a new one."""
    conversation = _of_address()
    if conversation is None:
        mine = conversations.find(person(), knowledge=True)
        conversation = next((each for each in mine if base.id in _saved(each).knowledge), None)
        conversation = conversation or conversations.create(person(), settings=_first_settings(base))
    st.query_params["c"] = str(conversation.id)
    st.session_state[_SEEN] = conversation.id
    return conversation


def talk_bar(conversation: Conversation, found: list[Base]) -> TalkSettings:
    """Where to look, who answers, and how; what changes is saved at once."""
    saved = _saved(conversation)
    key = f"knowledge.{conversation.id}"
    by_id = {base.id: base for base in found}
    st.session_state.setdefault(f"{key}.bases", saved.knowledge)
    st.session_state[f"{key}.bases"] = [each for each in st.session_state[f"{key}.bases"] if each in by_id]
    with st.container(horizontal=True, vertical_alignment="bottom", key="knowledge.bar"):
        bases = st.multiselect(
            t("Look in"),
            list(by_id),
            key=f"{key}.bases",
            format_func=lambda base_id: by_id[base_id].name,
            placeholder=t("Choose a knowledge base"),
            width="stretch",
        )
        compare = st.toggle(
            t("With and without"),
            saved.compare,
            key=f"{key}.compare",
            help=t("Answers twice, side by side: with the documents, and from what the model knows by itself."),
        )
        with st.popover(t("Who answers"), icon=":material/tune:", help=t("Model, adapter, passages, sampling")):
            speaker = speaker_picker(f"{key}.a", saved.a, t("Model"))
            passages = st.slider(
                t("Passages that are read"),
                1,
                MOST_READ,
                saved.passages,
                key=f"{key}.passages",
                help=t(
                    "More: a better chance that the answer is among them, slower, and more to get wrong. Small models do best with few."
                ),
            )
            sampling = Sampling.model_validate(sampling_controls(f"{key}.sampling", saved.sampling))
    chosen = TalkSettings(knowledge=bases, a=speaker, sampling=sampling, passages=passages, compare=compare)
    if chosen.model_dump() != conversation.settings:
        conversations.save_settings(person(), conversation.id, chosen.model_dump())
    return chosen


def _of_address() -> Conversation | None:
    asked = st.query_params.get("c", "")
    if not asked.isdigit():
        return None
    try:
        conversation = conversations.get(person(), int(asked))
    except BadInput:  # deleted, or somebody else's
        st.query_params.pop("c")
        return None
    return conversation if conversations.KNOWLEDGE in conversation.settings else None


def _saved(conversation: Conversation) -> TalkSettings:
    return TalkSettings.model_validate(conversation.settings or {})


def _first_settings(base: Base) -> dict:
    """Of a first conversation about a base: the adapter that is the default in chat answers, or the configured server."""
    usual = Speaker.usual()
    speaker = usual if usual.server else Speaker(adapter=default_adapter(resolve(None).name))
    return TalkSettings(knowledge=[base.id], a=speaker).model_dump()
