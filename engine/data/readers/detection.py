"""Which container, encoding and format a file has, told by its first hundred rows.

Every container is tried, and the one whose rows fit a format best is taken: the name of the file only settles ties.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from engine.data.readers.containers import CONTAINERS, DAMAGED, TABLES, TEXT, Layout, rename
from engine.data.readers.format import FIELDS, FORMATS
from engine.data.readers.parquet import is_parquet
from engine.data.readers.reading import LOOKED_AT, raw_rows
from engine.data.readers.streams import DAMAGE, CountedFile, compression_of, encoding_of, open_text, read_chunk
from engine.errors import BadInput

_COLUMNS, _SHOWN = 1000, 20  # columns of a row that are looked at, and that an error names


@dataclass
class _Look:
    """What the first rows are like if the file has this layout."""

    layout: Layout
    formats: Counter[str] = field(default_factory=Counter)
    """How many rows fit each format."""
    columns: dict[str, None] = field(default_factory=dict)
    good: int = 0
    broken: int = 0
    damaged: bool = False

    @property
    def fits(self) -> int:
        return self.formats.total()

    @property
    def is_perfect(self) -> bool:
        return 0 < self.fits == self.good + self.broken

    @property
    def rank(self) -> tuple:
        """The greater, the better."""
        objects = bool(self.good) and self.layout.container not in TABLES
        share = self.good / max(1, self.good + self.broken)
        # read with the wrong separator, a table has one column, no row with too few cells, and a row for each line of a cell
        return self.fits, objects, objects or len(self.columns) > 1, share, len(self.columns), self.good


def detect(path: Path, format: str = "auto", columns: dict[str, str] | None = None) -> Layout:
    """All that must be known of a file to read it.

    Args:
        path: the file.
        format: `auto`; a key of `FORMATS`, which the rows then must fit; or one of `CONTAINERS`.
        columns: for each field of the format that has another name in the file, that name.

    Raises:
        BadInput: there is no such format or column, or the file is empty, damaged, or nothing that is known here.
    """
    columns = columns or {}
    _check(format, columns)
    best = _best(path, format, columns)
    absent = [column for column in columns.values() if column not in best.columns]
    if best.good and absent:
        raise BadInput(
            "“{file}” has no column “{column}”: it has {columns}.",
            file=path.name,
            column=absent[0],
            columns=_names(best),
        )
    if not best.fits:
        raise _unknown(path, best)
    return replace(best.layout, format=_format(best.formats))


def detect_container(path: Path, container: str = "auto") -> Layout:
    """How rows lie in a file, whatever they mean: what `sample` and `column_names` need before a person has said it.

    Raises:
        BadInput: the file is empty, damaged, or in no container that is known here.
    """
    _check(container, {})
    best = _best(path, container, {})
    if not best.good:
        raise BadInput(
            "“{file}” has no row that can be read: a CSV or TSV file needs a header and a row below it; otherwise it must be "
            "JSON lines, a JSON array or Parquet.",
            file=path.name,
        )
    return best.layout


def _check(format: str, columns: dict[str, str]) -> None:
    known = ("auto", *FORMATS, *CONTAINERS)
    if format not in known:
        raise BadInput("“{format}” is not a format: choose one of {known}.", format=format, known=", ".join(known))
    for name in columns:
        if name not in FIELDS:
            raise BadInput("“{field}” is no field: choose from {known}.", field=name, known=", ".join(FIELDS))


def _best(path: Path, format: str, columns: dict[str, str]) -> _Look:
    """The best of the layouts that the file might have."""
    looks: list[_Look] = []
    head, layouts = _layouts(path, format, columns)
    for layout in layouts:
        looks.append(_look(path, layout, format))
        if looks[-1].is_perfect:
            break
    best = max(looks, key=lambda look: look.rank)
    if best.damaged and not best.good and (best.layout.compression != "none" or best.layout.container == "parquet"):
        raise _damaged(path)
    if not best.good and not best.broken:
        raise _empty(path)
    if not best.fits and b"\0" in head:
        raise BadInput(
            "“{file}” is neither text nor Parquet: save it as JSON lines, CSV or Parquet first.", file=path.name
        )
    return best


def _layouts(path: Path, format: str, columns: dict[str, str]) -> tuple[bytes, list[Layout]]:
    """The first of the file's text, and the layouts to try."""
    parquet = is_parquet(path)
    if (parquet and format in TEXT) or (format == "parquet" and not parquet):
        raise BadInput(
            "“{file}” is no {container} file: let its container be told by its content.",
            file=path.name,
            container=format,
        )
    if parquet:
        return b"", [Layout("parquet", "auto", columns=columns)]
    compression = compression_of(path)
    encoding = encoding_of(path, compression)
    head = _head(path, compression, encoding)
    names = [format] if format in TEXT else _order(path, head)
    return head, [Layout(name, "auto", encoding, compression, columns) for name in names]


def _head(path: Path, compression: str, encoding: str) -> bytes:
    try:
        with CountedFile(path) as file:
            head = read_chunk(open_text(file, compression, encoding))
    except DAMAGE:
        raise _damaged(path) from None
    if not head.strip():
        raise _empty(path)
    return head


def _order(path: Path, head: bytes) -> list[str]:
    """Containers of text, the likelier ones first."""
    objects = ["json", "jsonl"] if head.lstrip().startswith(b"[") else ["jsonl", "json"]
    tables = ["tsv", "csv"] if {".tsv", ".tab"} & {suffix.lower() for suffix in path.suffixes} else ["csv", "tsv"]
    return objects + tables


def _look(path: Path, layout: Layout, format: str) -> _Look:
    look = _Look(layout)
    candidates = [format] if format in FORMATS else list(FORMATS)
    for _, row in islice(raw_rows(path, layout), LOOKED_AT):
        if isinstance(row, str):
            look.broken += 1
            look.damaged = row == DAMAGED
            continue
        look.good += 1
        look.columns.update(dict.fromkeys(islice(row, _COLUMNS)))
        named = rename(row, layout.columns)
        look.formats.update(islice((name for name in candidates if FORMATS[name].fits(named)), 1))
    return look


def _format(formats: Counter[str]) -> str:
    name = formats.most_common(1)[0][0]
    return "belle" if name == "alpaca" and formats["belle"] else name


def _names(look: _Look) -> str:
    return ", ".join(name[:40] for name in islice(look.columns, _SHOWN))


def _empty(path: Path) -> BadInput:
    return BadInput("“{file}” is empty: there is nothing in it to read.", file=path.name)


def _damaged(path: Path) -> BadInput:
    return BadInput("“{file}” is damaged and cannot be read: get a fresh copy of it.", file=path.name)


def _unknown(path: Path, best: _Look) -> BadInput:
    if best.columns and (best.layout.container not in TABLES or len(best.columns) > 1):
        return BadInput(
            "“{file}” has the columns {columns}, which are those of no format that is known here: say which is which, as "
            "--columns instruction=COLUMN output=COLUMN on the command line or in the mapping on the page.",
            file=path.name,
            columns=_names(best),
        )
    return BadInput(
        "“{file}” has no format that can be recognised: it must be JSON lines, a JSON array, CSV, TSV or Parquet, with "
        "“messages”, with “conversations”, with “instruction” and “output”, with “input” and “target”, with “prompt” and "
        "“completion” (and perhaps “label”), with “chosen” and “rejected”, or with a prompt and replies that were judged.",
        file=path.name,
    )
