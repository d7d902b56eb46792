"""What a background run about a dataset is asked to do; the run directory keeps it as `spec.json`."""

from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel

from engine.data.cleaning import Cleaning
from engine.data.prepared import Options


class ImportSpec(BaseModel, extra="forbid"):
    """Files become a dataset; see `engine.data.importing`."""

    kind: ClassVar = "import"
    files: list[str]
    """Paths, or `hub:owner/name` of a dataset on the hub."""
    name: str
    format: str = "auto"
    columns: dict[str, str] = {}
    uploads: Path | None = None
    """A folder with copies made for this run alone, removed when it has finished."""


class CleanSpec(BaseModel, extra="forbid"):
    """A cleaned version of a dataset; see `engine.data.clean`."""

    kind: ClassVar = "clean"
    dataset: str
    options: Cleaning
    by: str | None = None


class PrepareSpec(BaseModel, extra="forbid"):
    """A dataset encoded for a model; see `engine.data.prepare`."""

    kind: ClassVar = "prepare"
    dataset: str
    model: str
    options: Options = Options()


class ExportSpec(BaseModel, extra="forbid"):
    """A dataset as a file; see `engine.data.writers`."""

    kind: ClassVar = "export"
    dataset: str
    format: str
    file: Path


DataSpec = ImportSpec | CleanSpec | PrepareSpec | ExportSpec
SPECS: dict[str, type[DataSpec]] = {spec.kind: spec for spec in (ImportSpec, CleanSpec, PrepareSpec, ExportSpec)}
