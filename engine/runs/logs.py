"""What a run's processes printed: one log for all, and where there are several processes one for each, `logs/rank-<n>.txt`.

Reads only the end of a file, however long it is.
"""

import re
from pathlib import Path

from engine.files import read_tail
from engine.runs.run import Run

_FILE = re.compile(r"rank-(\d{1,5})\.txt")


def rank_logs(run: Run) -> dict[int, Path]:
    """The log of each process, by rank; empty if all print into one."""
    folder = run.path / "logs"
    names = (_FILE.fullmatch(path.name) for path in folder.iterdir()) if folder.is_dir() else ()
    return {rank: folder / f"rank-{rank}.txt" for rank in sorted(int(name[1]) for name in names if name)}


def whole_tail(run: Run, lines: int = 200) -> str:
    """The ends of all logs of a run, those of its processes under headings."""
    parts = [run.log_tail(lines)]
    parts += [f"── process {rank} ──\n{read_tail(path, lines)}" for rank, path in rank_logs(run).items()]
    return "\n".join(part for part in parts if part)
