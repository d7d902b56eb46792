"""What people think of pictures: thumbs, and which of two is better.

These judgements have a table of their own: whatever counts replies, or makes training data of them, never meets a picture. Each
keeps the recipe of what was judged, so it outlives the picture's file.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticSerializationError
from sqlalchemy import JSON, ColumnElement, Index, Select, and_, false, func, or_, select, text
from sqlalchemy import delete as delete_rows
from sqlalchemy.orm import Mapped, Session, mapped_column

from engine.database import Base, UtcTime, again_if_raced, now, session, writing
from engine.errors import BadInput
from engine.feedback.schema import BROKEN_CHARACTER, Moment, Side, Verdict, Winner
from engine.feedback.store import FeedbackFilter, where_common

ALL = FeedbackFilter()


class Judged(Protocol):
    """A picture of the gallery."""

    @property
    def id(self) -> str:
        """Its id there."""
        ...

    @property
    def recipe(self) -> BaseModel:
        """What it was made with, with at least `prompt`, `model` and `loras`."""
        ...


class _Lora(BaseModel):
    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    name: str
    weight: float = 1.0


class _Recipe(BaseModel):
    """What is read of a recipe here; a judgement from elsewhere may have another version's."""

    model_config = ConfigDict(extra="allow")

    prompt: str = ""
    model: str = ""
    loras: list[_Lora] = []


class PictureJudgement(BaseModel):
    """One judgement. `verdict` is about `picture`; `winner` is about `picture` (a) and `picture_b`."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    id: int = 0
    """0 until the database gives one."""
    created: Moment = Field(default_factory=now)
    updated: Moment = Field(default_factory=now)
    annotator: str = Field(pattern=r"\S")
    kind: Literal["rating", "comparison"] = "rating"
    picture: str
    recipe: dict[str, Any]
    verdict: Verdict | None = None
    picture_b: str | None = None
    recipe_b: dict[str, Any] | None = None
    winner: Winner | None = None
    left_side: Side | None = None

    @property
    def sides(self) -> list[dict[str, Any]]:
        """The recipes of what was judged: one, or two of a comparison."""
        return [self.recipe] if self.recipe_b is None else [self.recipe, self.recipe_b]


class PictureFeedbackRow(Base):
    """`PictureJudgement` on disk."""

    __tablename__ = "picture_feedback"
    __table_args__ = (
        Index(
            "picture_feedback_one_rating",
            "annotator",
            "picture",
            unique=True,
            sqlite_where=text("kind = 'rating'"),
            postgresql_where=text("kind = 'rating'"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    created: Mapped[datetime] = mapped_column(UtcTime, index=True)
    updated: Mapped[datetime] = mapped_column(UtcTime)
    annotator: Mapped[str] = mapped_column(index=True)
    kind: Mapped[str]
    picture: Mapped[str] = mapped_column(index=True)
    recipe: Mapped[dict[str, Any]] = mapped_column(JSON)
    verdict: Mapped[str | None]
    picture_b: Mapped[str | None]
    recipe_b: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    winner: Mapped[str | None]
    left_side: Mapped[str | None]
    words: Mapped[str]
    """The prompts, in small letters, so that a search need not look into JSON."""
    model: Mapped[str]
    model_b: Mapped[str | None]
    loras: Mapped[str]
    """Their names, one a line, each line with a line break on both sides."""
    loras_b: Mapped[str | None]


def judge(picture: Judged, person: str, verdict: Verdict | None) -> PictureJudgement | None:
    """Say that a picture is good or bad; a person's later word replaces the earlier one.

    Args:
        picture: what is judged.
        person: who judges.
        verdict: None takes the word back.

    Returns:
        The judgement as it is kept; None if there is none (any more).
    """
    return again_if_raced(_judge, picture, person, verdict)  # the same person may have two tabs


def compare(a: Judged, b: Judged, winner: Winner, left_side: Side, person: str) -> PictureJudgement:
    """Say which of two pictures is better; about the same two, a person's later word replaces the earlier one.

    Args:
        a: one picture.
        b: the other.
        winner: `a`, `b`, `tie` or `both_bad`.
        left_side: which of them was shown on the left.
        person: who judges.

    Raises:
        BadInput: it is twice the same picture.
    """
    if a.id == b.id:
        raise BadInput("This is twice the same picture: choose two to compare.")
    record = PictureJudgement(
        annotator=person,
        kind="comparison",
        picture=a.id,
        recipe=a.recipe.model_dump(mode="json"),
        picture_b=b.id,
        recipe_b=b.recipe.model_dump(mode="json"),
        winner=winner,
        left_side=left_side,
    )
    with writing() as db:
        db.execute(delete_rows(PictureFeedbackRow).where(_same(person, "comparison", a.id, b.id)))
        return _insert(db, record)


def judgement_of(picture: Judged, person: str) -> Verdict | None:
    """A person's word about a picture, if there is one."""
    return judgements_of([picture.id], person).get(picture.id)


def judgements_of(picture_ids: Iterable[str], person: str) -> dict[str, Verdict]:
    """A person's words about several pictures, by their ids; those without one are not there."""
    row = PictureFeedbackRow
    mine = and_(row.kind == "rating", row.annotator == person, row.picture.in_(list(picture_ids)))
    with session() as db:
        return {found.picture: found.verdict for found in db.scalars(select(row).where(mine))}  # pyright: ignore[reportReturnType]


def find(filters: FeedbackFilter = ALL) -> list[PictureJudgement]:
    """The judgements that match, newest first. Of the filter, `text` is about prompts and `adapter` about LoRAs."""
    row = PictureFeedbackRow
    query = _where(select(row), filters).order_by(row.created.desc(), row.id.desc())
    with session() as db:
        rows = db.scalars(query.limit(filters.limit).offset(filters.offset))
        return [PictureJudgement.model_validate(found) for found in rows]


def count(filters: FeedbackFilter = ALL) -> int:
    """How many judgements match, whatever the limit and offset."""
    with session() as db:
        return db.scalars(_where(select(func.count(PictureFeedbackRow.id)), filters)).one()


def annotators() -> list[str]:
    """Everybody who judged a picture, in order."""
    with session() as db:
        return sorted(db.scalars(select(PictureFeedbackRow.annotator).distinct()))


def to_jsonl(rows: Iterable[PictureJudgement]) -> list[dict[str, Any]]:
    """The judgements whole, with their recipes, ready for JSON; `export.import_jsonl` reads them back."""
    return [row.model_dump(mode="json") for row in rows]


def checked(**values: Any) -> PictureJudgement:
    """The judgement that these values make.

    Raises:
        BadInput: it is none.
    """
    try:
        record = PictureJudgement.model_validate(values)
        sides = [_Recipe.model_validate(side).model_dump() for side in record.sides]
        record.model_dump_json()
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput("Feedback cannot have this “{field}”.", field=str(first["loc"][0])[:100]) from None
    except PydanticSerializationError:  # half a surrogate pair
        raise BadInput(BROKEN_CHARACTER) from None
    if record.kind == "rating" and record.verdict:
        return record.model_copy(update={"recipe": sides[0]})
    if record.winner and record.left_side and len(sides) == 2 and record.picture_b not in (None, record.picture):
        return record.model_copy(update={"recipe": sides[0], "recipe_b": sides[1]})
    raise BadInput("A picture's judgement is a verdict on one picture, or a winner and a left side of two.")


def restore(records: list[PictureJudgement]) -> int:
    """Keep judgements that were written elsewhere, in one transaction; what a person said here already is left as it is.

    Returns:
        How many were not here yet.
    """
    return again_if_raced(_restore, records)


def _restore(records: list[PictureJudgement]) -> int:
    new = 0
    with writing() as db:
        for record in records:
            same = _same(record.annotator, record.kind, record.picture, record.picture_b)
            if not db.scalar(select(PictureFeedbackRow.id).where(same).limit(1)):
                _insert(db, record)
                new += 1
    return new


def _same(person: str, kind: str, picture: str, other: str | None) -> ColumnElement[bool]:
    """A person's word about a picture, or about two, whichever comes first."""
    row = PictureFeedbackRow
    mine = and_(row.kind == kind, row.annotator == person)
    if kind == "rating":
        return and_(mine, row.picture == picture)
    return and_(
        mine, or_(*(and_(row.picture == a, row.picture_b == b) for a, b in ((picture, other), (other, picture))))
    )


def _judge(picture: Judged, person: str, verdict: Verdict | None) -> PictureJudgement | None:
    row = PictureFeedbackRow
    mine = _same(person, "rating", picture.id, None)
    with writing() as db:
        if verdict is None:
            db.execute(delete_rows(row).where(mine))
            return None
        if found := db.scalars(select(row).where(mine)).one_or_none():
            found.verdict, found.updated = verdict, now()
            return PictureJudgement.model_validate(found)
        recipe = picture.recipe.model_dump(mode="json")
        return _insert(db, PictureJudgement(annotator=person, picture=picture.id, recipe=recipe, verdict=verdict))


def _insert(db: Session, record: PictureJudgement) -> PictureJudgement:
    row = PictureFeedbackRow(
        **record.model_dump(exclude={"id"}),
        words="\n".join(str(side.get("prompt", "")) for side in record.sides).lower(),
        **_made_with(record.recipe),
        **{f"{name}_b": value for name, value in _made_with(record.recipe_b or {}).items() if record.recipe_b},
    )
    db.add(row)
    db.flush()
    return record.model_copy(update={"id": row.id})


def _made_with(recipe: dict[str, Any]) -> dict[str, str]:
    names = [str(lora["name"]) for lora in recipe.get("loras", [])]
    return {"model": str(recipe.get("model", "")), "loras": "".join(f"\n{name}\n" for name in names)}


def _where(query: Select[Any], filters: FeedbackFilter) -> Select[Any]:
    row = PictureFeedbackRow
    query = where_common(query, row, filters)
    if filters.conversation_id is not None:
        query = query.where(false())  # pictures are in no conversation
    if filters.adapter:
        line = f"\n{filters.adapter}\n"
        query = query.where(or_(*(side.contains(line, autoescape=True) for side in (row.loras, row.loras_b))))
    elif filters.adapter is not None:
        query = query.where(or_(row.loras == "", row.loras_b == ""))
    for word in filters.text[:200].lower().split():
        query = query.where(row.words.contains(word, autoescape=True))
    return query
