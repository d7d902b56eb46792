"""A queue, its tasks, and the work of one person on one task: as records, and as the tables they lie in.

Nothing here opens a session.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, JsonValue
from sqlalchemy import JSON, ForeignKey, Index, UniqueConstraint, desc
from sqlalchemy.orm import Mapped, mapped_column

from engine.data.records import Message
from engine.database import Base, UtcTime, now

State = Literal["open", "left", "skipped", "done", "in_review", "returned", "accepted", "passed"]
"""What has become of an assignment.

- `open`: the person works on it, under a lease.
- `left`: the lease ran out, or a skip was reopened; what was typed stays, the task may go to others.
- `skipped`: the person does not want it.
- `done`: labelled, in a queue without review.
- `in_review`: labelled, and waits for a second person.
- `returned`: the second person wants changes.
- `accepted`: the second person took it.
- `passed`: the second person took another answer to the same task.
"""
HOLDING: tuple[State, ...] = ("open", "done", "in_review", "returned", "accepted", "passed")
"""The states that take one of a task's places."""
FINISHED: tuple[State, ...] = ("done", "accepted")
"""The states whose label is a row for a dataset."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class Prompt(_Record):
    """What a person is to answer."""

    instruction: str
    input: str = ""
    """What the instruction is about."""
    system: str = ""
    before: list[Message] = []
    """The turns of the conversation before this one."""
    reference: str | None = None
    """An answer that is known already, shown beside the work."""
    source: dict[str, JsonValue] = {}
    """Where it came from, such as `{"file": "questions.txt", "line": 3}`."""

    def messages(self, instruction: str | None = None, input: str | None = None) -> list[Message]:
        """What a model is asked: system, the turns before, and instruction and input as one turn.

        Args:
            instruction: in place of the prompt's own.
            input: likewise.
        """
        instruction = self.instruction if instruction is None else instruction
        input = self.input if input is None else input
        asked = "\n\n".join(part.strip() for part in (instruction, input) if part.strip())
        system = [Message(role="system", content=self.system)] if self.system.strip() else []
        return [*system, *self.before, Message(role="user", content=asked)]


class Queue(_Record):
    """Prompts to be labelled, and how."""

    id: int
    name: str
    instructions: str
    """For the annotators."""
    overlap: int
    """How many people label each prompt."""
    review: bool
    """Whether a second person must accept each label."""
    lease_minutes: int
    """How long a task that nobody touches stays with the person who took it."""
    dataset: str
    """The name of the dataset that its labels are for."""
    created_by: str
    created: datetime


class Task(Prompt):
    """A prompt in a queue."""

    id: int
    queue_id: int


class Assignment(_Record):
    """One person's work on one task."""

    id: int
    task_id: int
    queue_id: int
    annotator: str
    state: State
    instruction: str | None
    """As the annotator changed it; None as it was."""
    input: str | None
    output: str
    draft: str | None
    """The model's words, as they were before the person edited them."""
    draft_by: dict[str, Any] | None
    """Model, adapter, its fingerprint, and sampling."""
    edited: float | None
    """Share of the draft that the person changed, 0 to 1; None without a draft."""
    taken: datetime
    saved: datetime | None
    expires: datetime
    """End of the lease, for what is open or returned."""
    seconds: float
    """Time spent from taking to saving, all in all."""
    reviewer: str | None
    comment: str | None
    """What the reviewer wants changed."""
    reviewed_output: str | None
    """The output as the reviewer edited it; None if they took it as it was."""
    exported: str | None
    """The dataset that it is a row of."""

    @property
    def final(self) -> str:
        """The output that counts."""
        return self.output if self.reviewed_output is None else self.reviewed_output


class QueueRow(Base):
    """`Queue` on disk."""

    __tablename__ = "labelling_queues"
    # datasets name the tasks they were made of: no number is given out twice, here or below
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    instructions: Mapped[str]
    overlap: Mapped[int]
    review: Mapped[bool]
    lease_minutes: Mapped[int]
    dataset: Mapped[str]
    created_by: Mapped[str]
    created: Mapped[datetime] = mapped_column(UtcTime, default=now)


class TaskRow(Base):
    """`Task` on disk, with what sharing out needs."""

    __tablename__ = "labelling_tasks"
    __table_args__ = (
        UniqueConstraint("queue_id", "digest"),
        # the order in which tasks are given out: begun ones first, then as they were added
        Index("labelling_next", "queue_id", desc("places_taken"), "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    queue_id: Mapped[int] = mapped_column(ForeignKey("labelling_queues.id", ondelete="CASCADE"))
    digest: Mapped[str]
    """Of what is asked: the same prompt is in a queue once."""
    instruction: Mapped[str]
    input: Mapped[str]
    system: Mapped[str]
    before: Mapped[list[dict[str, str]]] = mapped_column(JSON)
    reference: Mapped[str | None]
    source: Mapped[dict[str, Any]] = mapped_column(JSON)
    places_taken: Mapped[int] = mapped_column(default=0)
    """How many assignments are in a state of `HOLDING`."""
    reviewer: Mapped[str | None]
    """Who is reviewing it now, until `reviewing_until`."""
    reviewing_until: Mapped[datetime | None] = mapped_column(UtcTime)


class AssignmentRow(Base):
    """`Assignment` on disk."""

    __tablename__ = "labelling_assignments"
    __table_args__ = (
        # never the same task twice to one person
        UniqueConstraint("task_id", "annotator"),
        Index("labelling_states", "queue_id", "state"),
        Index("labelling_people", "queue_id", "annotator", "state"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("labelling_tasks.id", ondelete="CASCADE"))
    queue_id: Mapped[int] = mapped_column(ForeignKey("labelling_queues.id", ondelete="CASCADE"))
    annotator: Mapped[str]
    state: Mapped[str]
    instruction: Mapped[str | None]
    input: Mapped[str | None]
    output: Mapped[str] = mapped_column(default="")
    draft: Mapped[str | None]
    draft_by: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    edited: Mapped[float | None]
    taken: Mapped[datetime] = mapped_column(UtcTime)
    saved: Mapped[datetime | None] = mapped_column(UtcTime)
    expires: Mapped[datetime] = mapped_column(UtcTime)
    seconds: Mapped[float] = mapped_column(default=0.0)
    reviewer: Mapped[str | None]
    comment: Mapped[str | None]
    reviewed_output: Mapped[str | None]
    exported: Mapped[str | None]
