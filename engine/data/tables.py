"""Encoded rows on disk: written as they come, a thousand in memory at most, and read memory-mapped.

Knows the table's columns and nothing of where rows come from.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.data.tokenise import Encoded


@contextmanager
def writing(folder: Path) -> Iterator[Callable[[Encoded], None]]:
    """Write a table that `datasets.load_from_disk(folder)` reads; a table of no rows leaves no folder.

    Yields:
        A function that adds one row.
    """
    from datasets import Dataset, Features, List, Value
    from datasets.arrow_writer import ArrowWriter

    features = Features({"input_ids": List(Value("int32")), "labels": List(Value("int32"))})
    stream = folder.with_suffix(".arrow")
    writer = ArrowWriter(path=str(stream), features=features, writer_batch_size=1000)
    try:
        yield lambda row: writer.write(vars(row))
        rows, _ = writer.finalize()
    finally:
        writer.close()
    if rows:
        with _quiet():
            Dataset.from_file(str(stream)).save_to_disk(folder)
    stream.unlink()


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bar of `datasets`: whoever prepares shows one for the whole."""
    from datasets import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    shown = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            enable_progress_bars()
