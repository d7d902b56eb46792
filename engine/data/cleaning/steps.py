"""Rows through the cleaning steps: what changes one, what leaves it out, and last what compares it with earlier ones."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial, reduce
from itertools import accumulate, pairwise

from pydantic import ValidationError

from engine.data.cleaning.language import language
from engine.data.cleaning.near import NearDuplicates
from engine.data.cleaning.normalise import normalised
from engine.data.cleaning.options import (
    DUPLICATE,
    EMPTY,
    MASKED,
    NEAR_DUPLICATE,
    NORMALISED,
    OTHER_LANGUAGE,
    TOO_SHORT,
    Cleaning,
    Example,
    Report,
)
from engine.data.cleaning.personal import masked
from engine.data.cleaning.turns import digest, last_reply, rewritten, text, turns
from engine.data.records import Record, plain_reason

_SHOWN = 300
"""Characters of a text in an example."""
_LEAD = 100
"""Of them, those before the first change."""

Change = Callable[[str], str]
TextOf = Callable[[int], str]


def cleaned(
    rows: Iterable[tuple[int, Record]], options: Cleaning, report: Report, text_of: TextOf
) -> Iterator[tuple[int, Record]]:
    """Take rows through the steps, one at a time.

    Args:
        rows: records with their row numbers, from 0.
        options: the steps.
        report: filled as rows are taken.
        text_of: gives the text of an earlier row, cleaned or not.

    Yields:
        The rows that are kept with their numbers; one that no step changed is the same object.
    """
    changes = _changes(options)
    repeats = _Repeats(options, lambda row: reduce(lambda said, change: change(said), changes.values(), text_of(row)))
    for row, original in rows:
        report.rows_in += 1
        stages = [*accumulate(changes.values(), rewritten, initial=original)]
        record = stages[-1]
        reason, earlier = _unwanted(record, record is not original, options), None
        if not reason:
            reason, earlier = repeats.look(row, record)
        if reason:
            report.drop(reason, partial(_dropped, row, original, earlier, text_of))
            continue
        report.rows_kept += 1
        for what, (before, after) in zip(changes, pairwise(stages), strict=True):
            if after is not before:
                report.change(what, partial(_changed, row, before, after))
        yield row, record


def _changes(options: Cleaning) -> dict[str, Change]:
    """The steps that change text, by the name they have in the report."""
    changes: dict[str, Change] = {}
    if options.normalise:
        changes[NORMALISED] = normalised
    if options.mask:
        changes[MASKED] = partial(masked, kinds=options.mask)
    return changes


def _unwanted(record: Record, is_changed: bool, options: Cleaning) -> str | None:
    """Why a row is left out, whatever the other rows are."""
    if options.drop_empty and any(not turn.content.strip() for turn in turns(record) if turn.role != "system"):
        return EMPTY
    if is_changed and (broken := _broken(record)):
        return broken
    if options.min_chars and len(last_reply(record).strip()) < options.min_chars:
        return TOO_SHORT
    if options.languages and language(text(record)) not in (None, *options.languages):
        return OTHER_LANGUAGE
    return None


def _broken(record: Record) -> str | None:
    """The rule of records that a changed one no longer keeps: its reply may be empty now, or both replies the same."""
    try:
        type(record).model_validate(record.model_dump())
    except ValidationError as error:
        return plain_reason(error)
    return None


class _Repeats:
    """Tells which earlier row a row repeats. A million rows take about 100 MB, near duplicates 230 MB more."""

    def __init__(self, options: Cleaning, text_of: TextOf):
        self._on = options.dedup != "none"
        self._rows: dict[int, int] = {}
        self._near = NearDuplicates(options.similarity, text_of) if options.dedup == "near" else None

    def look(self, row: int, record: Record) -> tuple[str, int] | tuple[None, None]:
        """The reason to leave a row out, and the row it repeats."""
        if not self._on:
            return None, None
        # 60 bits make the smallest int; two of ten million different rows share them once in 20,000 datasets
        key = int.from_bytes(digest(record)[:8]) >> 4
        equal = self._rows.setdefault(key, row)
        if equal != row:
            return DUPLICATE, equal
        near = self._near.add(row, text(record)) if self._near else None
        return (None, None) if near is None else (NEAR_DUPLICATE, near)


def _dropped(row: int, record: Record, earlier: int | None, text_of: TextOf) -> Example:
    other = None if earlier is None else text_of(earlier)[:_SHOWN]
    return Example(row=row, before=text(record)[:_SHOWN], other_row=earlier, other=other)


def _changed(row: int, before: Record, after: Record) -> Example:
    old, new = ("\n".join(turn.content for turn in turns(record)) for record in (before, after))
    same = next((place for place, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), len(new))
    start = max(0, same - _LEAD)
    return Example(row=row, before=old[start : start + _SHOWN], after=new[start : start + _SHOWN])
