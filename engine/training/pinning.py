"""The version of a dataset that a run began with: a resume must not meet rows that were changed meanwhile."""

from engine.data import registry
from engine.files import write_text
from engine.runs import Run


def pinned(dataset: str, run: Run) -> str:
    """The reference of the version, written down in the run directory when it is first asked for."""
    path = run.path / "dataset.txt"
    if not path.exists():
        write_text(path, registry.card(dataset).reference)
    return path.read_text(encoding="utf-8")
