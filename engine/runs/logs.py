"""What a run's processes printed: one log for all, and where there are several processes one for each, `logs/rank-<n>.txt`.

Reads only the end of a file, however long it is.
"""

import re
from pathlib import Path

from engine.runs.run import Run

_FILE = re.compile(r"rank-(\d{1,5})\.txt")
_LINE = 400
"""Bytes that a line has at most on average; longer ones make the tail shorter."""


def rank_logs(run: Run) -> dict[int, Path]:
    """The log of each process, by rank; empty if all print into one."""
    folder = run.path / "logs"
    names = (_FILE.fullmatch(path.name) for path in folder.iterdir()) if folder.is_dir() else ()
    return {rank: folder / f"rank-{rank}.txt" for rank in sorted(int(name[1]) for name in names if name)}


def whole_tail(run: Run, lines: int = 200) -> str:
    """The ends of all logs of a run, those of its processes under headings."""
    parts = [tail(run.log, lines)]
    parts += [f"── process {rank} ──\n{tail(path, lines)}" for rank, path in rank_logs(run).items()]
    return "\n".join(part for part in parts if part)


def tail(path: Path, lines: int = 200) -> str:
    """The last lines of a log; empty if there is none."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _LINE * lines))
        return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])
