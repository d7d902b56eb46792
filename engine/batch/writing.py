"""Results become files: the input's columns and the replies, in the order of the rows. A file appears whole or not at all.

An input column that is called as one of ours keeps its content under its name and `_input`.
"""

from pathlib import Path

from engine.runs import Run

ENDINGS = (".csv", ".tsv", ".jsonl", ".xlsx", ".parquet")
"""What a final file may be."""


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
    raise NotImplementedError


def write_failed(run: Run, out: Path) -> int:
    """Write the rows that failed or have a mark, as JSON lines: `row`, `failed`, `reason`, `marks`. Returns their number."""
    raise NotImplementedError
