"""What requests may say, in OpenAI's words; and what is refused because leaving it out would change the answer's meaning.

Fields that are unknown or change nothing here (`user`, `metadata`, …) are passed over.
"""

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.errors import BadInput
from engine.fields import parse
from engine.models.request import Sampling
from engine.serving.refusals import Refusal

MOST_CHOICES = 16
"""Replies to one request: prompts times `n`."""
_NOTHING = (None, False, 0, "", [], {})
_NO_TOOLS = ("tools", "tool_choice", "functions", "function_call")
_HARMLESS: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys((*_NO_TOOLS, "logprobs", "top_logprobs", "logit_bias", "audio", "web_search_options"), ()),
    **dict.fromkeys(("presence_penalty", "frequency_penalty", "min_p", "suffix", "echo", "use_beam_search"), ()),
    **dict.fromkeys(("guided_json", "guided_regex", "guided_choice", "guided_grammar", "structured_outputs"), ()),
    **dict.fromkeys(
        ("min_tokens", "stop_token_ids", "ignore_eos", "bad_words", "allowed_token_ids", "length_penalty"), ()
    ),
    **dict.fromkeys(("chat_template", "chat_template_kwargs", "continue_final_message", "truncate_prompt_tokens"), ()),
    "tool_choice": ("none", "auto"),
    "function_call": ("none", "auto"),
    "best_of": (1,),
    "modalities": (["text"],),
}
"""Fields that are not supported, and the values of each that ask for nothing."""


class Body(BaseModel):
    """What all requests have in common."""

    model_config = ConfigDict(extra="allow")

    harmless: ClassVar[dict[str, tuple[Any, ...]]] = _HARMLESS
    model: str | None = None

    def refuse_unsupported(self) -> None:
        """Refuse fields that would be passed over although they change the answer.

        Raises:
            Refusal: naming the field.
        """
        for name, value in (self.model_extra or {}).items():
            if name in self.harmless and value not in (*_NOTHING, *self.harmless[name]):
                raise Refusal(
                    "{field} is not supported here: leave it out.", field=name, param=name, code="unsupported_parameter"
                )


class StreamOptions(BaseModel):
    """How a stream ends."""

    include_usage: bool = False


class TextBody(Body):
    """What chat and completion have in common."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    n: int = Field(1, ge=1, le=MOST_CHOICES)
    stream: bool = False
    stream_options: StreamOptions | None = None

    @property
    def include_usage(self) -> bool:
        """Whether the last chunk of a stream says what it cost."""
        return self.stream_options is not None and self.stream_options.include_usage

    def sampling(self, asked: int | None, most: int) -> Sampling:
        """How tokens are chosen.

        Args:
            asked: most tokens, as the request says.
            most: tokens that a reply may have on this server, which is also what holds where a request says nothing.

        Raises:
            BadInput: a value is out of its bounds.
        """
        if asked is not None and asked < 1:
            raise Refusal("A reply has at least 1 token: ask for more than {asked}.", asked=asked, param="max_tokens")
        if asked is not None and asked > most:
            raise Refusal("A reply may have {most} tokens here: ask for no more.", most=most, param="max_tokens")
        said = {
            "max_new_tokens": asked if asked is not None else most,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k if self.top_k != -1 else None,  # vLLM's word for all
            "repetition_penalty": self.repetition_penalty,
            "seed": self.seed,
            "stop": [self.stop] if isinstance(self.stop, str) else self.stop,
        }
        return parse(Sampling, {name: value for name, value in said.items() if value is not None})


class Part(BaseModel):
    """A piece of a message."""

    type: str
    text: str = ""


class Message(BaseModel):
    """One turn."""

    model_config = ConfigDict(extra="allow")

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[Part] | None = None

    def plain(self) -> dict[str, str]:
        """As the engine takes it.

        Raises:
            Refusal: it is about tools, or holds more than text.
        """
        extra = self.model_extra or {}
        if self.role in ("tool", "function") or extra.get("tool_calls") or extra.get("function_call"):
            raise Refusal("Tools are not supported here: leave their calls and results out.", param="messages")
        parts = [Part(type="text", text=self.content or "")] if not isinstance(self.content, list) else self.content
        if strange := {part.type for part in parts} - {"text", "input_text", "output_text"}:
            raise Refusal(
                "Messages are text here: leave parts of type {type} out.", type=min(strange), param="messages"
            )
        role = "system" if self.role == "developer" else self.role
        return {"role": role, "content": "\n".join(part.text for part in parts)}


class ResponseFormat(BaseModel):
    """What a reply should look like."""

    type: str = "text"


class ChatBody(TextBody):
    """`/v1/chat/completions`."""

    messages: list[Message] = Field(min_length=1)
    max_completion_tokens: int | None = None
    response_format: ResponseFormat | None = None

    def questions(self) -> list[list[dict[str, str]]]:
        """The conversation, as the only one.

        Raises:
            Refusal: it holds more than text, or the reply's form cannot be promised.
        """
        if self.response_format and self.response_format.type != "text":
            raise Refusal(
                "This server cannot promise {format}: leave response_format out, ask for JSON in the messages, and check the reply.",
                format=self.response_format.type,
                param="response_format",
                code="unsupported_parameter",
            )
        return [[message.plain() for message in self.messages]]

    def most_tokens(self) -> int | None:
        """Most tokens of a reply, as the request says."""
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens


class CompletionBody(TextBody):
    """`/v1/completions`."""

    prompt: str | list[Any]

    def questions(self) -> list[str]:
        """The texts that are continued.

        Raises:
            BadInput: there is none, or they are given as tokens.
        """
        prompts = [self.prompt] if isinstance(self.prompt, str) else self.prompt
        if not prompts or not all(isinstance(prompt, str) for prompt in prompts):
            raise Refusal("prompt is a text or a list of texts here, not token ids.", param="prompt")
        if len(prompts) * self.n > MOST_CHOICES:
            raise Refusal("A request may ask for {most} replies: ask for fewer at once.", most=MOST_CHOICES, param="n")
        return prompts

    def most_tokens(self) -> int | None:
        """Most tokens of a reply; 16 where the request says nothing, as in OpenAI's API."""
        return 16 if self.max_tokens is None else self.max_tokens


class EmbeddingBody(Body):
    """`/v1/embeddings`."""

    input: str | list[Any]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None
    input_type: Literal["query", "passage", "document"] = "passage"
    """Some models see questions otherwise than the passages that answer them."""

    def texts(self, most: int) -> list[str]:
        """The texts.

        Args:
            most: as many as a request may have.

        Raises:
            BadInput: there are none or too many, one is empty, or they are given as tokens.
        """
        texts = [self.input] if isinstance(self.input, str) else self.input
        if not all(isinstance(text, str) for text in texts):
            raise Refusal(
                "input is a text or a list of texts here, not token ids (LangChain: check_embedding_ctx_length=False).",
                param="input",
            )
        if not 1 <= len(texts) <= most or not all(texts):
            raise BadInput("input must be 1 to {most} texts, none of them empty.", most=most)
        return texts


class ImageBody(Body):
    """`/v1/images/generations`."""

    harmless: ClassVar[dict[str, tuple[Any, ...]]] = {
        "stream": (),
        "partial_images": (),
        "background": ("auto", "opaque"),
        "output_format": ("png",),
        "response_format": ("b64_json",),
    }

    prompt: str = Field(min_length=1, max_length=10_000)
    n: int = Field(1, ge=1, le=10)
    size: str = "auto"
    seed: int | None = Field(None, ge=0, lt=2**63)
    steps: int | None = None
    guidance_scale: float | None = None
    negative_prompt: str = Field("", max_length=10_000)

    def sides(self) -> dict[str, int]:
        """Width and height; nothing where the model's own size is meant.

        Raises:
            Refusal: it is no size.
        """
        if self.size == "auto":
            return {}
        width, _, height = self.size.partition("x")
        if not (width.isdecimal() and height.isdecimal() and len(self.size) < 12):
            raise Refusal(
                "“{size}” is no size: write WIDTHxHEIGHT in pixels, such as 512x768.", size=self.size[:40], param="size"
            )
        return {"width": int(width), "height": int(height)}
