"""A row as the model sees it: the text its chat template makes, what is trained coloured, and how many tokens that is.

The tokenizer is loaded when somebody looks, never before. The text reaches the browser as data and is put there as text;
it cannot become markup.
"""

from itertools import groupby
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.components.v2 import component

from engine.data.records import Conversation, Message, Preference, Record
from engine.data.tokenise import IGNORED, Piece, encode, preview
from engine.models.catalog import list_models
from engine.models.loader import load_tokenizer
from engine.settings import settings
from pages.shared.i18n import t

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_CSS = """
.seen {
  white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.7; font-size: 0.875rem;
  font-family: var(--st-code-font); color: color-mix(in srgb, var(--st-text-color) 65%, transparent);
  background: var(--st-secondary-background-color); border-radius: var(--st-base-radius); padding: 0.75rem 1rem;
}
.trained {
  color: var(--st-text-color); background: color-mix(in srgb, var(--st-primary-color) 22%, transparent);
  box-shadow: inset 0 -2px 0 var(--st-primary-color); border-radius: 3px; padding: 0.1em 0;
  box-decoration-break: clone; -webkit-box-decoration-break: clone;
}
"""
_JS = """
export default function ({ data, parentElement }) {
  const spans = data.pieces.map(({ text, trained }) => {
    const span = document.createElement("span");
    span.textContent = text;
    if (trained) span.className = "trained";
    return span;
  });
  parentElement.querySelector(".seen").replaceChildren(...spans);
}
"""
_pieces = component("studio_pieces", html='<div class="seen" dir="auto"></div>', css=_CSS, js=_JS)


def choose_model(key: str) -> "PreTrainedTokenizerBase":
    """Let the person choose whose eyes to look through; the key is the box's."""
    names = model_names()
    name = st.selectbox(t("Model"), names, key=key) if len(names) > 1 else names[0]
    with st.spinner(t("Opening the tokenizer …")):
        return tokenizer_of(name)


def model_names() -> list[str]:
    """The models of this machine, the default one first."""
    return list(dict.fromkeys([settings().default_model, *(source.name for source in list_models())]))


def as_the_model_sees_it(row: Record, tokenizer: "PreTrainedTokenizerBase", key: str) -> None:
    """One row; both sides of a pair."""
    if isinstance(row, Conversation):
        trained = sum(map(len, _trained_runs(row.messages, tokenizer)))
        _show(row.messages, preview(row.messages, tokenizer), trained, tokenizer, key)
    elif isinstance(row, Preference):
        for title, reply in ((t("better"), row.chosen), (t("worse"), row.rejected)):
            st.caption(title)
            _show_reply(row.prompt, reply, tokenizer, f"{key}.{title}")
    else:
        _show_reply(row.prompt, row.completion, tokenizer, key)


def _show_reply(prompt: list[Message], reply: list[Message], tokenizer: "PreTrainedTokenizerBase", key: str) -> None:
    """Of a judged reply nothing but the reply is learnt from, whatever the assistant said before."""
    messages = [*prompt, *reply]
    pieces = preview(messages, tokenizer)
    last = max(i for i, piece in enumerate(pieces) if piece.trained)
    only = [Piece(piece.text, i == last) for i, piece in enumerate(pieces)]
    _show(messages, only, len(_trained_runs(messages, tokenizer)[-1]), tokenizer, key)


def _show(
    messages: list[Message], pieces: list[Piece], trained: int, tokenizer: "PreTrainedTokenizerBase", key: str
) -> None:
    tokens = len(encode(messages, tokenizer).input_ids)
    _pieces(data={"pieces": [{"text": piece.text, "trained": piece.trained} for piece in pieces]}, key=f"{key}.seen")
    st.caption(t("{n} tokens; the {trained} coloured ones are trained.", n=tokens, trained=trained))


def _trained_runs(messages: list[Message], tokenizer: "PreTrainedTokenizerBase") -> list[list[int]]:
    """The stretches of tokens that are trained, one a reply."""
    labels = encode(messages, tokenizer).labels
    return [list(run) for trains, run in groupby(labels, key=lambda label: label != IGNORED) if trains]


@st.cache_resource(max_entries=4, show_spinner=False)
def tokenizer_of(name: str) -> "PreTrainedTokenizerBase":
    """The tokenizer of a model, opened once."""
    return load_tokenizer(name)
