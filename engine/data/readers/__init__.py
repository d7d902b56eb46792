"""Files become canonical records, one at a time.

    streams       bytes: unpacked, in UTF-8
    containers    how rows lie in a file: `lines`, `arrays`, `tables`, `parquet`; and `values`, what a line or cell says
    format        what a row means: `alpaca`, `belle`, `sharegpt`, `messages`, `prompt_completion`; `preference`, `hh`,
                  `argilla`, `pairwise`; `unpaired`, `scored`
    detection     which of these a file has
    reading       the records, or the reason why a row is none
    hub           a dataset of the hub as a file

Reading streams, never stops at a broken row, and writes nothing but what `hub` downloads.
"""

from engine.data.readers.containers import CONTAINERS, Layout
from engine.data.readers.detection import detect, detect_container
from engine.data.readers.format import FIELDS, FORMATS, WRITTEN, Format, to_record, to_row
from engine.data.readers.reading import Line, Reading, column_names, sample

__all__ = [
    "CONTAINERS",
    "FIELDS",
    "FORMATS",
    "WRITTEN",
    "Format",
    "Layout",
    "Line",
    "Reading",
    "column_names",
    "detect",
    "detect_container",
    "sample",
    "to_record",
    "to_row",
]
