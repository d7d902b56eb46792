"""CSV, TSV and Excel files as pipe tables, one row a line, the header first.

Of formulas the value that was last computed is read; nothing is computed. Rows and columns without text are left out.
"""

import csv
import datetime
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from engine.errors import BadInput
from engine.knowledge.loaders.markup import heading, pipe_table
from engine.knowledge.loaders.packages import check_package
from engine.knowledge.loaders.page import MOST_TEXT, Page, clean, refuse_too_many_pages
from engine.knowledge.loaders.text import read_text


def read_separated(path: Path, name: str) -> Iterator[Page]:
    """A CSV or TSV file as one page; its separator is told by its first line.

    Raises:
        BadInput: it is binary, too long, or no table.
    """
    text = clean(read_text(path, name))
    csv.field_size_limit(max(csv.field_size_limit(), MOST_TEXT))  # one number for the whole process
    try:
        yield Page(pipe_table(csv.reader(io.StringIO(text), delimiter=_separator(text)), name))
    except csv.Error as error:
        raise BadInput("“{file}” is no table of separated values: save it again as CSV.", file=name) from error


def read_workbook(path: Path, name: str) -> Iterator[Page]:
    """An Excel file, one page a sheet.

    Raises:
        BadInput: there are too many sheets, too much text, or it is made to fill the memory.
    """
    from openpyxl import load_workbook

    check_package(path, name)
    workbook = load_workbook(path, read_only=True, data_only=True)
    try:
        refuse_too_many_pages(len(workbook.sheetnames), name)
        for sheet in workbook.worksheets:  # sheets that are only a chart are not among them
            sheet.reset_dimensions()  # what the file says of its size is often wrong
            rows: Iterable[Any] = sheet.iter_rows(values_only=True)
            table = pipe_table(([_shown(value) for value in row] for row in rows), name)
            title = sheet.title
            number = workbook.sheetnames.index(title) + 1
            yield Page(f"{heading(title, 1)}\n\n{table}" if table else "", number, title)
    finally:
        workbook.close()


def _separator(text: str) -> str:
    """What separates most often outside quotes in the first line with text; a comma if nothing does."""
    line = next((line for line in io.StringIO(text) if line.strip()), "")
    bare = "".join(line.split('"')[::2])
    return max(",\t;|", key=bare.count)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return f"{value:.15g}"  # as many digits as Excel keeps
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ", "auto").removesuffix(" 00:00:00")
    return str(value)
