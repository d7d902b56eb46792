"""One judgement, as a record with its rules and as a row of the `feedback` table.

The table knows nothing of conversations: it holds everything that was judged, so a judgement outlives the chat it came
from. Nothing here opens a session.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypedDict

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticSerializationError
from sqlalchemy import JSON, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from engine.data.records import Message
from engine.database import Base, UtcTime, now
from engine.errors import BadInput

Kind = Literal["rating", "comparison", "kept"]
Verdict = Literal["good", "bad"]
Winner = Literal["a", "b", "tie", "both_bad"]
Side = Literal["a", "b"]
Origin = Literal["corrections", "votes", "kept"]
BLIND_TAG = "blind:"
"""Begins the tag of a vote in a blind comparison, which is on prompts kept aside to measure with."""


@dataclass(frozen=True)
class Reply:
    """A reply and what made it."""

    text: str
    model: str
    adapter: str | None = None
    """None for the base model alone."""
    adapter_fingerprint: str | None = None
    sampling: dict[str, Any] = field(default_factory=dict)
    """Settings and seed, ready for JSON."""


class Judgement(TypedDict, total=False):
    """What a person may say about a reply; None takes a word back."""

    verdict: Verdict | None
    rating: int | None
    """1 to 5."""
    correction: str | None
    """The reply as it should have been."""
    tags: list[str]
    comment: str | None


def utc(moment: datetime) -> datetime:
    """The moment in UTC; one without a time zone is taken as UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _none_if_blank(words: str | None) -> str | None:
    return words if words and words.strip() else None


Moment = Annotated[datetime, AfterValidator(utc)]
Number = Annotated[int, Field(strict=True, ge=1, lt=2**31)]
Words = Annotated[str | None, AfterValidator(_none_if_blank)]


class Feedback(BaseModel):
    """One judgement. `verdict`, `rating` and `correction` are about `reply`; `winner` is about `reply` (a) and `reply_b`.

    - `rating`: verdict, stars or a correction for one reply.
    - `comparison`: two replies side by side; `left_side` says which one stood on the left.
    - `kept`: the reply that a person kept (a) over the one discarded by regenerating or editing (b); a always wins.
    """

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    id: int = 0
    """0 until the database gives one."""
    created: Moment = Field(default_factory=now)
    updated: Moment = Field(default_factory=now)
    annotator: str = Field(pattern=r"\S")
    kind: Kind = "rating"
    conversation_id: Number | None = None
    message_id: Number | None = None
    prompt: list[Message] = Field(min_length=1)
    reply: str = Field(pattern=r"\S")
    model: str
    adapter: str | None = None
    adapter_fingerprint: str | None = None
    sampling: dict[str, Any] = {}
    verdict: Verdict | None = None
    rating: Annotated[int, Field(strict=True, ge=1, le=5)] | None = None
    correction: Words = None
    tags: list[str] = []
    comment: Words = None
    reply_b: Annotated[str, Field(pattern=r"\S")] | None = None
    model_b: str | None = None
    adapter_b: str | None = None
    adapter_fingerprint_b: str | None = None
    sampling_b: dict[str, Any] | None = None
    winner: Winner | None = None
    left_side: Side | None = None

    @model_validator(mode="after")
    def _check_sides(self) -> "Feedback":
        if self.kind == "rating" and (self.reply_b or self.winner or self.left_side):
            raise BadInput("A rating is about one reply: to judge two, make a comparison.")
        if self.kind != "rating" and not self.reply_b:
            raise BadInput("A comparison needs two replies, and the second one is empty.")
        if self.kind == "comparison" and not self.left_side:
            raise BadInput("A comparison must say which reply was shown on the left: a or b.")
        if self.kind == "kept" and self.winner != "a":
            raise BadInput("Of a reply kept over another, the kept one (a) is always the winner.")
        return self

    @property
    def question(self) -> str:
        """The last thing the user said."""
        return next((turn.content for turn in reversed(self.prompt) if turn.role == "user"), "")

    def preferences(self) -> Iterator[tuple[str, str, Origin]]:
        """The better and the worse of two replies, as this judgement compares them, and what says so."""
        if self.correction:
            for text in filter(None, (self.reply, self.reply_b)):
                yield self.correction, text, "corrections"
        if self.reply_b and self.winner in ("a", "b"):
            a_won = self.winner == "a"
            better, worse = (self.reply, self.reply_b) if a_won else (self.reply_b, self.reply)
            yield better, worse, "kept" if self.kind == "kept" else "votes"

    @property
    def prompt_key(self) -> str:
        """The same for the same prompt, whichever conversation it comes from."""
        return json.dumps([[turn.role, turn.content] for turn in self.prompt])


_RULES = {
    "annotator": "Feedback needs the name of the person who gives it.",
    "kind": "Feedback is a rating, a comparison or a kept reply: its kind is “rating”, “comparison” or “kept”.",
    "prompt": "The prompt must be a list of messages, each with a role (system, user or assistant) and a text.",
    "reply": "There is no reply to judge: it is empty.",
    "reply_b": "There is no second reply to judge: it is empty.",
    "verdict": "A verdict is “good” or “bad”.",
    "rating": "A rating is a whole number from 1 to 5.",
    "winner": "The winner of a comparison is “a”, “b”, “tie” or “both_bad”.",
    "left_side": "A comparison must say which reply was shown on the left: a or b.",
}
BROKEN_CHARACTER = "The feedback holds a broken character (half of an emoji, perhaps)."


def checked(**values: Any) -> Feedback:
    """The judgement that these values make.

    Raises:
        BadInput: a rule is broken; the sentence says which.
    """
    try:
        record = Feedback.model_validate(values)
        record.model_dump_json()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        if first["type"] == "string_unicode":
            raise BadInput(BROKEN_CHARACTER) from None
        if name in _RULES:
            raise BadInput(_RULES[name]) from None
        raise BadInput("Feedback cannot have this “{field}”.", field=name[:100]) from None
    except PydanticSerializationError:  # half a surrogate pair: neither the database nor a file takes it
        raise BadInput(BROKEN_CHARACTER) from None
    return record


class FeedbackRow(Base):
    """`Feedback` on disk; the columns are described there."""

    __tablename__ = "feedback"
    __table_args__ = (
        # thumbs, stars and correction of one message by one person share a row
        Index(
            "feedback_one_rating",
            "annotator",
            "message_id",
            unique=True,
            sqlite_where=text("kind = 'rating'"),
            postgresql_where=text("kind = 'rating'"),
        ),
        # an import asks for each line whether it is here already
        Index("feedback_known", "annotator", "created"),
        # datasets name the rows they were made of: a number is never given out twice
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    created: Mapped[datetime] = mapped_column(UtcTime, index=True)
    updated: Mapped[datetime] = mapped_column(UtcTime)
    annotator: Mapped[str]
    kind: Mapped[str] = mapped_column(index=True)
    conversation_id: Mapped[int | None] = mapped_column(index=True)
    message_id: Mapped[int | None]
    prompt: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    question: Mapped[str]
    """Kept beside the prompt so that a search need not look into JSON."""
    reply: Mapped[str]
    model: Mapped[str] = mapped_column(index=True)
    adapter: Mapped[str | None] = mapped_column(index=True)
    adapter_fingerprint: Mapped[str | None]
    sampling: Mapped[dict[str, Any]] = mapped_column(JSON)
    verdict: Mapped[str | None] = mapped_column(index=True)
    rating: Mapped[int | None]
    correction: Mapped[str | None]
    tags: Mapped[list[str]] = mapped_column(JSON)
    comment: Mapped[str | None]
    reply_b: Mapped[str | None]
    model_b: Mapped[str | None]
    adapter_b: Mapped[str | None] = mapped_column(index=True)
    adapter_fingerprint_b: Mapped[str | None]
    sampling_b: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    winner: Mapped[str | None]
    left_side: Mapped[str | None]


def columns(record: Feedback) -> dict[str, Any]:
    """The record's values as the table takes them; the database gives the id."""
    return {**record.model_dump(exclude={"id"}), "question": record.question}
