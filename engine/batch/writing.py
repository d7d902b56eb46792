"""Results become files: the input's columns and the replies, in the order of the rows. A file appears whole or not at all.

An input column that is called as one of ours keeps its content under its name and `_input`.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from engine.batch import parquet, workbooks
from engine.batch.results import Index, Result, in_order
from engine.batch.scoring import Rewards
from engine.batch.source import Source, read_source, spec_of
from engine.batch.tables import ENDINGS, Row, refuse_ending
from engine.batch.template import text_of
from engine.data.readers.parquet import is_parquet
from engine.files import refuse_no_folder, whole_file
from engine.runs import Run

__all__ = ["ENDINGS", "failed_file", "write_failed", "write_results"]

Values = dict[str, Any]
"""A row of ours: replies and rewards by column."""


def write_results(run: Run, out: Path) -> int:
    """Write all rows of the input; those without a reply (yet) have an empty one. A file that is there is replaced.

    Args:
        run: the run, in whatever state.
        out: its ending is one of `ENDINGS`.

    Returns:
        Rows written.

    Raises:
        BadInput: the ending is none of those, the folder is not there, or the input has changed or gone since.
    """
    refuse_ending(out)
    refuse_no_folder(out.parent)
    source = read_source(run)
    table = _Table(run, source)
    with whole_file(out) as temporary:
        ending = out.suffix.lower()
        if ending == ".jsonl":
            _write_lines(table, temporary)
        elif ending == ".xlsx":
            workbooks.write_rows(temporary, table.names, table.cells())
        elif ending == ".parquet" and is_parquet(source.path):
            parquet.add_columns(source.path, temporary, table.renamed, table.types, table.ours())
        elif ending == ".parquet":
            parquet.write_texts(temporary, table.names, table.types, table.cells())
        else:
            _write_cells(table, temporary, "," if ending == ".csv" else "\t")
    return source.rows


def write_failed(run: Run, out: Path) -> int:
    """Write the rows that failed or have a mark, as JSON lines: `row`, `failed`, `reason`, `said`, `marks`. Returns their number."""
    index = Index(run, read_source(run).rows)
    written = 0
    with whole_file(out) as temporary, temporary.open("wb") as file:
        for result in index.read(index.rows(done=False)):
            line = {"row": result.row, "failed": result.failed, "reason": result.why, "marks": result.marks}
            if result.said:
                line["said"] = result.said
            file.write(to_json(line) + b"\n")
            written += 1
    return written


def failed_file(out: Path) -> Path:
    """The report that belongs to a final file: `answers.failed.jsonl` beside `answers.csv`."""
    return out.with_name(f"{out.stem}.failed.jsonl")


class _Table:
    """The rows of the final file."""

    def __init__(self, run: Run, source: Source):
        spec = spec_of(run)
        self._run = run
        self._source = source
        self.types: dict[str, type] = {**dict.fromkeys(spec.sides, str), **dict.fromkeys(spec.rewards.values(), float)}
        """Our columns."""
        self.renamed = _renamed(source.columns, list(self.types))
        """The input's columns, by the names that they have in the final file."""

    @property
    def names(self) -> list[str]:
        """The header."""
        return [*self.renamed.values(), *self.types]

    def rows(self) -> Iterator[tuple[Row, Values]]:
        """The input's rows, with what is ours."""
        rewards = Rewards(self._run)
        for number, (row, result) in enumerate(in_order(self._run, self._source), 1):
            yield row, self._values(result, rewards.of(number))

    def ours(self) -> Iterator[Values]:
        """What is ours alone."""
        return (values for _, values in self.rows())

    def cells(self) -> Iterator[list[Any]]:
        """Rows in the header's order: numbers stay what they are, lists and objects become JSON."""
        for row, values in self.rows():
            given = row if isinstance(row, dict) else {}
            yield [*(_cell(given.get(name)) for name in self.renamed), *(values.get(name) for name in self.types)]

    def _values(self, result: Result | None, rewards: Values) -> Values:
        return {**dict.fromkeys(self.types), **(result.replies if result else {}), **rewards}


def _renamed(columns: list[str], ours: list[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for column in columns:
        name = column
        while name in ours or (name != column and name in columns):
            name += "_input"
        names[column] = name
    return names


def _cell(value: Any) -> Any:
    return value if value is None or isinstance(value, str | bool | int | float) else text_of(value)


def _write_lines(table: _Table, file: Path) -> None:
    with file.open("wb") as opened:
        for row, values in table.rows():
            given = row if isinstance(row, dict) else {}
            line = {**{table.renamed.get(name, name): value for name, value in given.items()}, **values}
            opened.write(to_json(line, bytes_mode="base64", inf_nan_mode="null", fallback=str) + b"\n")


def _write_cells(table: _Table, file: Path, delimiter: str) -> None:
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, delimiter=delimiter, lineterminator="\r\n")
        writer.writerow(table.names)
        for cells in table.cells():
            writer.writerow([text_of(cell) for cell in cells])
