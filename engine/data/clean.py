"""A dataset's rows through the cleaning steps: what is kept becomes its next version, with a report of what was taken.

The steps themselves are in `engine.data.cleaning`.
"""

from array import array
from collections.abc import Callable, Iterator

from engine.data import registry
from engine.data import rows as storage
from engine.data.cleaning import Cleaning, Report, cleaned, text
from engine.data.records import Record
from engine.data.registry import Card
from engine.errors import BadInput

Progress = Callable[[int, int], None]


def refuse_no_step(options: Cleaning) -> None:
    """Refuse options that do nothing.

    Raises:
        BadInput: no step is chosen.
    """
    if options == Cleaning():
        raise BadInput("Choose at least one cleaning step.")


def clean(name: str, options: Cleaning, by: str | None = None, progress: Progress | None = None) -> tuple[Card, Report]:
    """Make a cleaned version of a dataset. If nothing was to be done, there is no new version.

    Args:
        name: the dataset.
        options: the steps.
        by: who asked for it.
        progress: takes rows done and rows there are; what it raises leaves the dataset as it was.

    Raises:
        BadInput: there is no such dataset, no step is chosen, or no row would be left.
    """
    refuse_no_step(options)
    with registry.changing(name) as (folder, old):
        report = Report()
        rows = _Rows(old, progress)
        steps = cleaned(rows, options, report, lambda row: text(registry.rows(old.reference, row, 1)[0]))
        before = storage.read_index(folder, old.version)
        kept = array(before.typecode)
        fresh: list[int] = []

        def changed_lines() -> Iterator[bytes]:
            for row, record in steps:
                if record is rows.current:
                    kept.append(before[row])
                else:
                    fresh.append(len(kept))
                    kept.append(0)
                    yield registry.line_of(record)

        for place, offset in zip(fresh, storage.add_lines(folder, changed_lines()), strict=True):
            kept[place] = offset
        if kept == before:
            return old, report
        told = options.model_dump(mode="json", exclude_defaults=True)
        change = {"action": "cleaned", "options": told, "report": report.model_dump(mode="json"), "by": by}
        filters = [*old.filters, *told]
        return registry.write_next_version(folder, old, kept, change, filters=filters), report


class _Rows:
    """Numbered rows, remembering the one handed out last: what comes back as that very object was not changed."""

    def __init__(self, card: Card, progress: Progress | None):
        self._card = card
        self._progress = progress
        self.current: Record | None = None

    def __iter__(self) -> Iterator[tuple[int, Record]]:
        for row, record in enumerate(registry.iterate(self._card.reference)):
            self.current = record
            if self._progress and row % 5000 == 0:
                self._progress(row, self._card.rows)
            yield row, record
