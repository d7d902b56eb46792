"""What a person chooses for cleaning a dataset, and the report of what it did."""

from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, Field, field_validator

from engine.data.cleaning.language import LANGUAGES
from engine.data.cleaning.personal import PersonalData
from engine.errors import BadInput

EMPTY = "empty"
TOO_SHORT = "reply too short"
OTHER_LANGUAGE = "another language"
DUPLICATE = "duplicate"
NEAR_DUPLICATE = "near duplicate"
"""Why a row is dropped. One that changes leave without a reply, or with two equal ones, has a reason of `records`."""

NORMALISED = "normalised"
MASKED = "personal data masked"
"""What is changed in a row that is kept."""

_EXAMPLES = 3


class Cleaning(BaseModel, extra="forbid", frozen=True):
    """The steps, in the order in which they are taken. By default none is."""

    normalise: bool = Field(
        default=False,
        description="Bring texts to one spelling: composed characters, plain line ends, no invisible characters, no "
        "blanks at line ends. Code keeps its indentation.",
    )
    mask: list[PersonalData] = Field(
        default=[],
        description="Replace personal data by placeholders such as <PHONE>, so that the model cannot learn it by heart; "
        "names are not found.",
    )
    drop_empty: bool = Field(
        default=False,
        description="Leave out rows in which a question or a reply has no text: they teach the model to say nothing.",
    )
    min_chars: int = Field(
        default=0,
        ge=0,
        description="Leave out rows whose last reply is shorter: higher makes the model talk more, and keeps fewer "
        "rows.",
    )
    languages: list[str] = Field(
        default=[],
        description="Keep only rows in these languages, as codes such as zh or en; texts too short to tell are kept. "
        "Empty keeps all.",
    )
    dedup: Literal["none", "exact", "near"] = Field(
        default="none",
        description="Leave out repeated rows, which a model learns by heart: equal ones, or near ones that differ in "
        "a few characters too, which takes longer.",
    )
    similarity: float = Field(
        default=0.8,
        ge=0.5,
        le=1,
        description="How much of their text two rows must share to count as near duplicates: lower leaves out more "
        "rows.",
    )

    @field_validator("languages")
    @classmethod
    def _known(cls, codes: list[str]) -> list[str]:
        for code in codes:
            if code not in LANGUAGES:
                raise BadInput("There is no language “{code}”: use codes of two letters, such as zh or en.", code=code)
        return codes


class Example(BaseModel):
    """One row that was dropped or changed: up to 300 characters of it."""

    row: int
    before: str
    after: str | None = None
    """If it was changed: the same place as in `before`."""
    other_row: int | None = None
    """If it was a duplicate: the row it repeats, and its text."""
    other: str | None = None


class Report(BaseModel):
    """What cleaning did. `rows_in` is `rows_kept` and all that were dropped."""

    rows_in: int = 0
    rows_kept: int = 0
    dropped: dict[str, int] = {}
    """Rows by reason."""
    changed: dict[str, int] = {}
    """Rows kept, by what was changed; a row may be in several."""
    examples: dict[str, list[Example]] = {}
    """The first rows of each reason and each change."""

    def drop(self, reason: str, example: Callable[[], Example]) -> None:
        """Count a row that is left out; the example is made only if it is wanted."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
        self._show(reason, example)

    def change(self, what: str, example: Callable[[], Example]) -> None:
        """Count a row that is kept and was changed."""
        self.changed[what] = self.changed.get(what, 0) + 1
        self._show(what, example)

    def _show(self, what: str, example: Callable[[], Example]) -> None:
        shown = self.examples.setdefault(what, [])
        if len(shown) < _EXAMPLES:
            shown.append(example())
