"""Markdown that loaders write: headings and pipe tables.

What comes from a document is put on one line and its `|` escaped; nothing else is changed.
"""

from collections.abc import Iterable, Sequence

from engine.knowledge.loaders.page import refuse_too_long


def heading(text: str, level: int) -> str:
    """A heading line; empty if there is no text."""
    words = " ".join(text.split())
    return f"{'#' * min(max(level, 1), 6)} {words}" if words else ""


def pipe_table(rows: Iterable[Sequence[str]], name: str = "") -> str:
    """A pipe table with the first row that has text as its header; rows and columns without text are left out.

    Single cells above a wider table, as spreadsheets have for their titles, are lines of text before it.

    Raises:
        BadInput: it would be longer than a document may be.
    """
    table: list[dict[int, str]] = []
    length = 0
    for row in rows:
        cells = {place: text for place, cell in enumerate(row) if (text := _cell(cell))}
        if cells:
            table.append(cells)
            length += sum(map(len, cells.values())) + 3 * len(cells)
            refuse_too_long(length, name)
    above = _lines_above(table)
    lines = [next(iter(cells.values())) for cells in table[:above]]
    if len(table) > above:
        columns = sorted({place for cells in table[above:] for place in cells})
        refuse_too_long(len(columns) * len(table), name)
        grid = [[cells.get(place, "") for place in columns] for cells in table[above:]]
        grid.insert(1, ["---"] * len(columns))
        lines += ([""] if lines else []) + [f"| {' | '.join(row)} |" for row in grid]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _lines_above(table: list[dict[int, str]]) -> int:
    """How many rows of one cell stand above the first wider row; 0 if none is wider."""
    return next((place for place, cells in enumerate(table) if len(cells) > 1), 0)
