"""Changes that a person makes to a dataset by hand; each makes a new version and leaves the old ones as they were."""

from collections.abc import Collection

from engine.data import registry
from engine.data import rows as storage
from engine.data.records import Record
from engine.data.registry import Card
from engine.errors import BadInput


def replace_row(name: str, row: int, record: Record, seen: int, by: str | None = None) -> Card:
    """Put another record in the place of a row.

    Args:
        name: the dataset.
        row: its number, from 0.
        record: of the dataset's kind.
        seen: the version that the person looked at.
        by: who.

    Raises:
        BadInput: the dataset has been changed since, there is no such row, or the record is of another kind.
    """
    with registry.changing(name, seen) as (folder, old):
        _check_row(old, row)
        if record.kind != old.kind:
            raise BadInput(
                "A dataset holds rows of one kind: “{other}” cannot join “{kind}”.", other=record.kind, kind=old.kind
            )
        offsets = storage.read_index(folder, old.version)
        offsets[row] = storage.add_lines(folder, [registry.line_of(record)])[0]
        return registry.write_next_version(folder, old, offsets, {"action": "edited", "row": row + 1, "by": by})


def delete_rows(name: str, rows: Collection[int], seen: int, by: str | None = None) -> Card:
    """Leave rows out; arguments and errors as in `replace_row`, and at least one row must stay."""
    with registry.changing(name, seen) as (folder, old):
        gone = set(rows)
        for row in gone:
            _check_row(old, row)
        offsets = storage.read_index(folder, old.version)
        kept = type(offsets)(offsets.typecode, (offset for row, offset in enumerate(offsets) if row not in gone))
        return registry.write_next_version(folder, old, kept, {"action": "deleted", "rows": len(gone), "by": by})


def restore(name: str, version: int, by: str | None = None) -> Card:
    """Make an old version the newest again, as a version of its own.

    Raises:
        BadInput: there is no such version.
    """
    wanted = registry.card(f"{name}@{version}")
    with registry.changing(name) as (folder, old):
        offsets = storage.read_index(folder, version)
        change = {"action": "restored", "version": version, "by": by}
        return registry.write_next_version(folder, old, offsets, change, filters=wanted.filters, added=wanted.added)


def _check_row(card: Card, row: int) -> None:
    if not 0 <= row < card.rows:
        raise BadInput("“{name}” has no row {row}: it has {rows}.", name=card.name, row=row + 1, rows=card.rows)
