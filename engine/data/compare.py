"""What differs between two versions of a dataset. Versions share their unchanged rows, so no text is compared."""

from dataclasses import dataclass, field

from engine.data import registry
from engine.data import rows as storage


@dataclass
class Difference:
    """Row numbers count from 0; the lists hold the first ones, up to what was asked for."""

    kept: int = 0
    changed_rows: int = 0
    removed_rows: int = 0
    added_rows: int = 0
    changed: list[tuple[int, int]] = field(default_factory=list)
    """A row of the old version and the row of the new one that stands in its place."""
    removed: list[int] = field(default_factory=list)
    """Rows of the old version."""
    added: list[int] = field(default_factory=list)
    """Rows of the new version."""


def compare(name: str, old: int, new: int, limit: int = 20) -> Difference:
    """Compare two versions.

    Args:
        name: the dataset.
        old: the version to begin with.
        new: the version to end with.
        limit: entries at most in each list of rows.

    Raises:
        BadInput: there is no such dataset or version.
    """
    before, after = (storage.read_index(*registry.place(f"{name}@{version}")) for version in (old, new))
    gone, come = set(before) - set(after), set(after) - set(before)
    found = Difference()
    i = j = 0
    while i < len(before) or j < len(after):
        leaves, enters = i < len(before) and before[i] in gone, j < len(after) and after[j] in come
        if leaves and enters:
            found.changed_rows += 1
            _note(found.changed, (i, j), limit)
        elif leaves:
            found.removed_rows += 1
            _note(found.removed, i, limit)
        elif enters:
            found.added_rows += 1
            _note(found.added, j, limit)
        else:
            found.kept += 1
        i += leaves or not enters
        j += enters or not leaves
    return found


def _note(rows: list, row, limit: int) -> None:
    if len(rows) < limit:
        rows.append(row)
