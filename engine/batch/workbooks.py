"""Excel files (.xlsx): the first sheet's rows below its first row with text, and a sheet of rows back. Both are streamed.

Of formulas the value that was last computed is read; nothing is computed, and no text becomes a formula.
"""

import datetime
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from engine.errors import BadInput
from engine.knowledge.loaders.packages import check_package

MOST_ROWS = 2**20 - 1
"""Below the header; what a sheet of Excel has."""
MOST_TEXT = 32767
"""Characters that a cell of Excel holds."""

_ZIP, _OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"


def is_workbook(file: Path) -> bool:
    """Whether it is an Office file, by its first bytes.

    Raises:
        BadInput: it is one of the time before .xlsx.
    """
    with file.open("rb") as opened:
        head = opened.read(4)
    if head == _OLD_EXCEL:
        raise BadInput("“{file}” is an old Excel file: save it as .xlsx first.", file=file.name)
    return head == _ZIP


def read_rows(file: Path) -> Iterator[dict[str, Any]]:
    """The rows of the first sheet; those without any cell are passed over, and so is what stands beside the header.

    Raises:
        BadInput: it is no Excel file, damaged, made to fill the memory, or has a column twice.
    """
    from openpyxl import load_workbook

    try:
        check_package(file, file.name)
        workbook = load_workbook(file, read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise BadInput("“{file}” is no Excel file that can be read: save it as .xlsx again.", file=file.name) from error
    try:
        sheet = workbook.worksheets[0]
        sheet.reset_dimensions()  # what the file says of its size is often wrong
        cells = (row for row in sheet.iter_rows(values_only=True) if any(value is not None for value in row))
        names = _names(next(cells, ()), file.name)
        for row in cells:
            yield {name: _value(row[place]) if place < len(row) else None for place, name in names.items()}
    finally:
        workbook.close()


def write_rows(file: Path, names: list[str], rows: Iterable[list[Any]]) -> None:
    """Write a workbook with one sheet.

    Args:
        file: is overwritten.
        names: the header.
        rows: cells in the header's order; lists and objects are text already.

    Raises:
        BadInput: there is more than a sheet or a cell of Excel holds.
    """
    from openpyxl import Workbook

    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet()
    try:
        sheet.append([_cell(sheet, name, 0) for name in names])
        for number, row in enumerate(rows, 1):
            if number > MOST_ROWS:
                raise BadInput(
                    "A sheet of Excel has at most {most} rows: choose a file that ends in .csv.", most=MOST_ROWS
                )
            sheet.append([_cell(sheet, value, number) for value in row])
    except BaseException:
        sheet.close()
        sheet._writer.cleanup()  # its temporary file, which would stay as long as this process
        raise
    workbook.save(file)


def _names(header: tuple[Any, ...], file: str) -> dict[int, str]:
    names = {place: str(_value(value)) for place, value in enumerate(header) if value is not None}
    for name in names.values():
        if list(names.values()).count(name) > 1:
            raise BadInput("“{file}” has two columns “{column}”: give one another name.", file=file, column=name)
    return names


def _value(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ", "auto").removesuffix(" 00:00:00")
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _cell(sheet: Any, value: Any, row: int) -> Any:
    """A cell; text always as text, or Excel would take what begins with = for a formula."""
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    if not isinstance(value, str):
        return value
    text = ILLEGAL_CHARACTERS_RE.sub("", value)
    if len(text) > MOST_TEXT:
        raise BadInput(
            "Row {row} has a text of more than {most} characters, which no cell of Excel holds: choose a file that ends in .csv.",
            row=row,
            most=MOST_TEXT,
        )
    cell = WriteOnlyCell(sheet, text)
    cell.data_type = "s"
    return cell
