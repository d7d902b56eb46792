"""Background runs about knowledge bases: documents taken in, a base indexed anew. Each is one call into `engine.knowledge`.

Whatever ends a run, each document is in the base whole or not at all; a resume takes in those that are left. Another index
takes the old one's place only when it is whole.
"""

import shlex
import shutil
import time
from typing import Any

from engine.errors import BadInput
from engine.jobs.progress import status_progress
from engine.jobs.words import flags
from engine.knowledge import bases, database
from engine.knowledge.embedding import check_name
from engine.knowledge.ingest import Ingested, ingest, reindex
from engine.knowledge.specs import SPECS, IngestSpec, KnowledgeSpec
from engine.runs import Run

_WAIT_SECONDS = 0.5


def run_knowledge(run: Run) -> None:
    """Do what the run's spec asks for; its result stands in the status afterwards.

    Raises:
        Stopped: somebody asked it to stop.
        BadInput: none of the files could be taken in.
    """
    spec = SPECS[run.kind].model_validate(run.spec())
    run.update(unit="passages")
    _wait_for_others(spec.base, run)
    if isinstance(spec, IngestSpec):
        _ingest(spec, run)
    else:
        reindex(spec.base, spec.embedding, spec.splitter, status_progress(run))
        run.update(result={"passages": bases.read(spec.base).passages})


def check(spec: KnowledgeSpec) -> None:
    """Refuse now what would fail later.

    Raises:
        BadInput: with what to do.
    """
    bases.read(spec.base)
    if isinstance(spec, IngestSpec):
        if not spec.files:
            raise BadInput("There is no file to add: choose some.")
    elif spec.embedding is not None:
        check_name(spec.embedding)


def subject(spec: KnowledgeSpec) -> str:
    """The name of the base that it is about."""
    return bases.read(spec.base).name


def command_line(spec: KnowledgeSpec) -> str:
    """The command that does the same."""
    words = ["python", "-m", "engine", "kb"]
    if isinstance(spec, IngestSpec):
        words += ["add", subject(spec), *map(str, spec.files), *(["--passages"] if spec.passages else [])]
        return shlex.join(words)
    values: dict[str, Any] = {"embedding": spec.embedding} if spec.embedding else {}
    if spec.splitter:
        values |= {"size": spec.splitter.size, "overlap": spec.splitter.overlap}
    return shlex.join([*words, "reindex", subject(spec), *flags(values)])


def nothing_taken(ingested: Ingested) -> bool:
    """Whether not one of the files is in the base now."""
    return bool(ingested.refused) and not (ingested.added or ingested.replaced or ingested.unchanged)


def _ingest(spec: IngestSpec, run: Run) -> None:
    ingested = ingest(spec.base, spec.named, spec.passages, status_progress(run))
    run.update(result=ingested.model_dump(mode="json"))
    if spec.uploads:
        shutil.rmtree(spec.uploads, ignore_errors=True)
    if nothing_taken(ingested):
        reason = ingested.refused[0]
        raise BadInput(reason.sentence, **reason.values)


def _wait_for_others(base_id: str, run: Run) -> None:
    """Documents go into a base one run after the other."""
    while True:
        run.end_if_stopped()
        try:
            with database.filling(base_id):
                return
        except BadInput:
            bases.read(base_id)  # deleted meanwhile: that is said
            time.sleep(_WAIT_SECONDS)
