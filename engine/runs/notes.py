"""What people write about a run: free text and tags, in `notes.json` of its directory. One note a run, shared by all.

Changes nothing else of the run; the run itself never reads it.
"""

from collections.abc import Iterable

from pydantic import BaseModel, ValidationError

from engine.errors import BadInput
from engine.files import read_json, write_json
from engine.runs.run import Run

LONGEST_TEXT = 10_000
LONGEST_TAG = 30
MOST_TAGS = 20


class Notes(BaseModel):
    """The text and the tags."""

    text: str = ""
    tags: list[str] = []


def read_notes(run: Run) -> Notes:
    """What was written; empty if nothing was, or if the file is damaged."""
    try:
        return Notes.model_validate(read_json(run.path / "notes.json"))
    except (FileNotFoundError, ValueError, ValidationError):
        return Notes()


def write_notes(run: Run, text: str, tags: Iterable[str]) -> Notes:
    """Replace what was written.

    Args:
        run: what it is about.
        text: at most 10,000 characters.
        tags: at most 20, of at most 30 characters each; blanks around them and repetitions go.

    Raises:
        BadInput: something is too long, or there are too many.
    """
    words = list(dict.fromkeys(" ".join(tag.split()) for tag in tags if tag.strip()))
    if len(text) > LONGEST_TEXT:
        raise BadInput("The notes are too long: keep them to {most} characters.", most=f"{LONGEST_TEXT:,}")
    if len(words) > MOST_TAGS:
        raise BadInput("There are too many tags: keep at most {most}.", most=MOST_TAGS)
    for word in words:
        if len(word) > LONGEST_TAG:
            raise BadInput(
                "The tag “{tag}” is too long: keep it to {most} characters.", tag=word[:LONGEST_TAG], most=LONGEST_TAG
            )
    notes = Notes(text=text, tags=words)
    write_json(run.path / "notes.json", notes.model_dump())
    return notes
