"""What a background run about a knowledge base is asked to do; the run directory keeps it as `spec.json`."""

from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel

from engine.knowledge.splitting import Splitter


class IngestSpec(BaseModel, extra="forbid"):
    """Files become documents of a knowledge base; see `engine.knowledge.ingest`."""

    kind: ClassVar = "ingest"
    base: str
    """Its id, which stays when it is renamed."""
    files: list[Path]
    names: list[str] = []
    """What the documents are called, one for each file; by default as the files are."""
    passages: bool = False
    """Whether the files hold ready-made passages, one a line."""
    uploads: Path | None = None
    """A folder with copies made for this run alone, removed when it has finished."""

    @property
    def named(self) -> list[tuple[str, Path]]:
        """Each file with the name of its document."""
        return list(zip(self.names or [file.name for file in self.files], self.files, strict=True))


class ReindexSpec(BaseModel, extra="forbid"):
    """A knowledge base gets another embedding model or is split anew; see `engine.knowledge.ingest`."""

    kind: ClassVar = "reindex"
    base: str
    embedding: str | None = None
    """None: the one it has."""
    splitter: Splitter | None = None
    """None: the one it has; the documents are not split anew."""


KnowledgeSpec = IngestSpec | ReindexSpec
SPECS: dict[str, type[KnowledgeSpec]] = {spec.kind: spec for spec in (IngestSpec, ReindexSpec)}
