"""A conversation as token ids and labels, and the same seen as text: what the page colours is what training trains.

The model's own chat template decides the text. What the assistant says, with the token that ends its turn, is trained;
everything else is labelled −100. The tokenizer is always given, never loaded here.
"""

import hashlib
import json
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from engine.data.records import Message, is_reply
from engine.errors import BadInput

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100
"""The label of a token that the loss passes over."""


class TemplateProblem(BadInput):
    """The model's chat template cannot show this conversation in a way that can be trained."""


@dataclass(frozen=True)
class Encoded:
    """One row of training data; both lists have one entry a token."""

    input_ids: list[int]
    labels: list[int]

    @property
    def trains(self) -> bool:
        """Whether any token is trained."""
        return any(label != IGNORED for label in self.labels)


@dataclass(frozen=True)
class Piece:
    """A stretch of the text that the model sees."""

    text: str
    trained: bool


@dataclass(frozen=True)
class _Token:
    id: int
    start: int
    """Where in the text it begins, in characters; the parts of a split character begin at the same place."""
    trained: bool


def encode(messages: list[Message], tokenizer: "PreTrainedTokenizerBase", completion_only: bool = True) -> Encoded:
    """A conversation as the model sees it.

    Where the template shows earlier turns otherwise than it showed them when they were the last (templates that hide old
    thinking do), only the last reply is trained. What follows the last reply is left out.

    Args:
        messages: those of a `Conversation`.
        tokenizer: the model's, of the fast kind, with a chat template.
        completion_only: train on the assistant's turns alone; otherwise on everything.

    Raises:
        BadInput: the tokenizer cannot be used to teach.
        TemplateProblem: the template cannot show this conversation.
    """
    _, tokens = _tokens(messages, tokenizer, completion_only)
    return Encoded([token.id for token in tokens], [token.id if token.trained else IGNORED for token in tokens])


def preview(messages: list[Message], tokenizer: "PreTrainedTokenizerBase", completion_only: bool = True) -> list[Piece]:
    """What `encode` does, as pieces of text that together are what the model sees. Arguments and errors are the same."""
    text, tokens = _tokens(messages, tokenizer, completion_only)
    runs = [next(run) for _, run in groupby(tokens, key=lambda token: token.trained)]
    starts = [0, *(token.start for token in runs[1:]), len(text)]
    pieces = [Piece(text[starts[i] : starts[i + 1]], token.trained) for i, token in enumerate(runs)]
    return [piece for piece in pieces if piece.text]


def check_tokenizer(tokenizer: "PreTrainedTokenizerBase") -> None:
    """Refuse a tokenizer that can teach no conversation at all.

    Raises:
        BadInput: it has no chat template, or no fast form.
    """
    if not tokenizer.chat_template:
        raise BadInput(
            "“{name}” has no chat template, so it was not made for chat: choose its instruct or chat version.",
            name=tokenizer.name_or_path,
        )
    if not tokenizer.is_fast:
        raise BadInput(
            "The tokenizer of “{model}” has no fast form, so it cannot tell which tokens are the reply: choose another model.",
            model=tokenizer.name_or_path,
        )


def fingerprint(tokenizer: "PreTrainedTokenizerBase") -> str:
    """A hash of all that decides how this tokenizer encodes a conversation, its chat template included."""
    fast: Any = tokenizer  # the base class does not know the attribute
    state = json.loads(fast.backend_tokenizer.to_str())
    # how the tokenizer was last called is no part of what it is
    state["truncation"] = state["padding"] = None
    parts = [state, tokenizer.chat_template, tokenizer.special_tokens_map]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _tokens(
    messages: list[Message], tokenizer: "PreTrainedTokenizerBase", completion_only: bool
) -> tuple[str, list[_Token]]:
    check_tokenizer(tokenizer)
    replies = [i for i, message in enumerate(messages) if is_reply(message)]
    chat = [message.model_dump() for message in messages[: replies[-1] + 1]]
    text = render(chat, tokenizer)
    spans = reply_spans(text, chat, replies, tokenizer) if completion_only else [(0, len(text))]
    encoding = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    return text, [
        _Token(id, start, any(first <= start < end for first, end in spans))
        for id, (start, _) in zip(encoding["input_ids"], encoding["offset_mapping"], strict=True)
    ]


def reply_spans(
    text: str, chat: list[dict[str, str]], replies: list[int], tokenizer: "PreTrainedTokenizerBase"
) -> list[tuple[int, int]]:
    spans = [_reply_span(text, chat[: i + 1], tokenizer) for i in replies]
    found = [span for span in spans if span]
    if spans[-1] is None:
        raise TemplateProblem(
            "The chat template of “{model}” changes what comes before a reply once the reply is there, so it cannot be told "
            "which part to train: choose another model.",
            model=tokenizer.name_or_path,
        )
    return found if len(found) == len(spans) else found[-1:]


def _reply_span(text: str, chat: list[dict[str, str]], tokenizer: "PreTrainedTokenizerBase") -> tuple[int, int] | None:
    """Where in the text the last turn of `chat` stands, in characters; None where the text shows it otherwise."""
    asked = render(chat[:-1], tokenizer, add_generation_prompt=True)
    # templates put a line break after the token that ends a turn; the model never has to say it
    answered = render(chat, tokenizer).rstrip()
    if len(asked) < len(answered) and answered.startswith(asked) and text.startswith(answered):
        return len(asked), len(answered)
    return None


def render(
    chat: list[dict[str, str]], tokenizer: "PreTrainedTokenizerBase", add_generation_prompt: bool = False
) -> str:
    try:
        return str(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=add_generation_prompt))
    except Exception as error:  # a template is a program from outside and may raise anything
        raise TemplateProblem(
            "The chat template of “{model}” refuses a conversation: {reason}",
            model=tokenizer.name_or_path,
            reason=error,
        ) from error
