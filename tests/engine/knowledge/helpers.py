"""Bases and documents for tests."""

from pathlib import Path

from engine.knowledge import bases, ingest
from engine.knowledge.bases import Base

LANTERN = """# Zorvex 9

The Zorvex 9 is a pocket lantern made in Tromsø. Its battery lasts forty hours.

## Care

Wash the lantern with cold water only, and dry it in the shade.
"""
HARBOUR = "The harbour of Lindau opens at six in the morning. Boats need a permit from the harbour master.\n"
CHINESE = "灯塔建于一八九二年，高三十七米。守塔人每天黄昏点灯，清晨熄灯。\n"


def write(folder: Path, name: str, text: str) -> tuple[str, Path]:
    """A file, as `ingest` takes it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return name, path


def filled(folder: Path, embedding: str | None = None, **texts: str) -> Base:
    """A base with these documents: `lantern_md=…` is `lantern.md`."""
    base = bases.create("Lanterns", embedding=embedding)
    files = [write(folder / "files", name.replace("_", "."), text) for name, text in texts.items()]
    told = ingest.ingest(base.id, files)
    assert not told.refused
    return bases.read(base.id)
