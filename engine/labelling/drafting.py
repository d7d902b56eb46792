"""A first draft by a model, and how much of it a person changed. The person decides: nothing here finishes a label."""

import re
import threading
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from engine.adapters.store import read_adapter
from engine.chat.turns import Speaker
from engine.database import writing
from engine.labelling import places
from engine.labelling.schema import AssignmentRow
from engine.models.catalog import resolve
from engine.models.request import ReplyStream, Sampling

if TYPE_CHECKING:
    from engine.labelling.desk import Work

_WORD = re.compile(r"[\u4e00-\u9fff]|\w+|[^\w\s]")
"""A word, a Chinese character, or a mark."""


@dataclass
class LiveDraft:
    """A draft that is being written."""

    assignment_id: int
    stream: ReplyStream
    made_by: dict[str, Any]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _kept: bool = False

    def finish(self) -> None:
        """End it now, if it has not ended, and put what there is of it into the output; may be called twice.

        Raises:
            StudioError: the model could not answer; what it had written before that is kept.
        """
        self.stream.cancel()
        with self._lock:
            if self._kept:
                return
            self._kept = True
            try:
                seed = self.stream.wait(timeout=1.0).seed
                self.made_by["sampling"]["seed"] = seed
            except TimeoutError:  # the model is still loading: nobody should wait for that to stop
                pass
            finally:
                _keep(self.assignment_id, self.stream.text, self.made_by)


def start_draft(work: "Work", speaker: Speaker, sampling: Sampling) -> LiveDraft:
    """Let a model answer a task.

    Args:
        work: the task, as its annotator has it.
        speaker: who answers.
        sampling: how tokens are chosen.

    Raises:
        BadInput: there is no such model or adapter.
    """
    messages = [turn.model_dump() for turn in work.task.messages(work.instruction, work.input)]
    stream = speaker.backend().stream(messages, sampling, speaker.adapter)
    adapter = read_adapter(speaker.adapter) if speaker.adapter and not speaker.server else None
    made_by = {
        "model": speaker.model or speaker.server or resolve(None).name,
        "adapter": speaker.adapter,
        "adapter_fingerprint": adapter.fingerprint if adapter else None,
        "sampling": sampling.model_dump(),
    }
    return LiveDraft(work.assignment.id, stream, made_by)


def share_edited(draft: str | None, output: str) -> float | None:
    """The share of words that draft and output do not have in common, 0 to 1, wherever they stand; None without a draft."""
    if draft is None:
        return None
    return 1 - SequenceMatcher(None, _WORD.findall(draft), _WORD.findall(output)).quick_ratio()


def _keep(assignment_id: int, draft: str, made_by: dict[str, Any]) -> None:
    """The draft takes the place of an earlier one, and follows what the person wrote."""
    if not draft.strip():
        return
    with writing() as db:
        row = db.get(AssignmentRow, assignment_id)
        if row is None:  # the queue was deleted meanwhile
            return
        places.lock(db, row.queue_id)
        db.refresh(row)
        written = row.output.strip()
        replaces = not written or written == (row.draft or "").strip()
        row.output = draft if replaces else f"{row.output.rstrip()}\n\n{draft}"
        row.draft, row.draft_by = draft, made_by
