"""`kb`: knowledge bases, their documents and passages. Asking and measuring them are in `kb_ask`."""

import argparse
import sys
from pathlib import Path
from typing import Any

from engine.commands import kb_ask
from engine.commands.bars import bar
from engine.commands.flags import add_flags, given
from engine.commands.output import add_command, add_group, say


def add(commands) -> None:
    """Add the parsers."""
    group = add_group(commands, "kb", "knowledge bases: documents in, cited answers out")
    _add_bases(group)
    _add_documents(group)
    _add_passages(group)
    kb_ask.add(group)


def _add_bases(group) -> None:
    from engine.knowledge.splitting import Splitter

    parser = add_command(group, "create", create, "make an empty knowledge base")
    parser.add_argument("name", metavar="NAME", help="any words, in any script")
    parser.add_argument(
        "--language",
        default="auto",
        choices=["auto", "en", "zh"],
        help="of its documents; auto looks at the first ones",
    )
    parser.add_argument(
        "--embedding",
        metavar="M",
        help="minilm (English), e5 (Chinese and others), or a folder or hub id of sentence-transformers; by default chosen by language",
    )
    parser.add_argument("--description", default="", help="what is in it")
    add_flags(parser, Splitter)
    parser = add_command(group, "list", list_, "list the knowledge bases")
    parser.add_argument("name", nargs="?", metavar="NAME", help="only this one")
    for name, function, help_ in (
        ("show", show, "show what a knowledge base is and holds"),
        ("delete", delete, "delete a knowledge base with all its documents"),
    ):
        add_command(group, name, function, help_).add_argument("name", metavar="NAME")
    parser = add_command(group, "rename", rename, "call a knowledge base otherwise")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("new", metavar="NEW")
    parser = add_command(group, "set", set_, "change what is said of a knowledge base, and when it refuses")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--description", help="what is in it")
    parser.add_argument(
        "--threshold", help="least score, 0 to 1, of a passage that may answer; auto for the embedding model's own"
    )
    parser.add_argument("--no-answer", metavar="TEXT", help="what is said when nothing reaches it")
    parser.add_argument(
        "--reranker",
        metavar="M",
        help="a cross-encoder, by folder or hub id, that orders what was found anew; “” for none",
    )
    parser = add_command(group, "reindex", reindex, "give a knowledge base another embedding model, or split it anew")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--embedding", metavar="M", help="by default the one it has")
    add_flags(parser, Splitter)


def _add_documents(group) -> None:
    parser = add_command(
        group, "add", add_files, "add documents: new ones go in, changed ones are replaced, others are passed over"
    )
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a document, a folder or a zip")
    parser.add_argument(
        "--passages",
        action="store_true",
        help='the files are JSON lines {"id", "text"}, each a ready-made passage',
    )
    add_command(group, "documents", list_documents, "list the documents").add_argument("name", metavar="NAME")
    parser = add_command(group, "remove", remove, "take a document out")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("document", metavar="DOCUMENT", help="its name or number")


def _add_passages(group) -> None:
    parser = add_command(group, "passages", list_passages, "list the passages of a document")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("document", metavar="DOCUMENT", help="its name or number")
    parser.add_argument("--offset", type=int, default=0, metavar="N", help="passages to pass over")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="passages at most")
    parser = add_command(group, "correct", correct, "give a passage another text; all others stay as they are")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("passage", type=int, metavar="PASSAGE_ID")
    parser.add_argument("text", metavar="TEXT")
    for name, enabled, help_ in (
        ("disable", False, "keep a passage, and never find it"),
        ("enable", True, "let a passage be found again"),
    ):
        parser = add_command(group, name, switch, help_)
        parser.set_defaults(enabled=enabled)
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("passage", type=int, metavar="PASSAGE_ID")


def create(arguments: argparse.Namespace) -> dict[str, Any]:
    """Make an empty base."""
    from engine.fields import parse
    from engine.knowledge import bases
    from engine.knowledge.splitting import Splitter

    splitter = parse(Splitter, given(arguments, Splitter))
    base = bases.create(arguments.name, arguments.description, arguments.language, arguments.embedding, splitter)
    say(f"“{base.name}” is ready; `python -m engine kb add '{base.name}' FILE…` fills it.")
    return _described(base)


def list_(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """All bases, newest first."""
    from engine.knowledge import bases

    found = [bases.get(arguments.name)] if arguments.name else bases.list_bases()
    for base in found:
        say(f"{base.id}  {base.name}  {base.documents} documents  {base.passages} passages")
    if not found:
        say("No knowledge bases yet: `python -m engine kb create NAME` makes one.")
    return [_described(base) for base in found]


def show(arguments: argparse.Namespace) -> dict[str, Any]:
    """One base."""
    from engine.knowledge import bases

    return _told(bases.get(arguments.name))


def rename(arguments: argparse.Namespace) -> dict[str, Any]:
    """Give a base another name."""
    from engine.knowledge import bases

    base = bases.change(bases.get(arguments.name).id, name=arguments.new)
    say(f"It is called “{base.name}” now.")
    return _described(base)


def set_(arguments: argparse.Namespace) -> dict[str, Any]:
    """Change a base's settings."""
    from engine.errors import BadInput
    from engine.knowledge import bases

    base = bases.get(arguments.name)
    names = ("description", "threshold", "no_answer", "reranker")
    values = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    if not values:
        raise BadInput("Say what to change: --description, --threshold, --no-answer or --reranker.")
    if "reranker" in values:
        values["reranker"] = values["reranker"] or None
    if "threshold" in values:
        values["threshold"] = _threshold(values["threshold"])
    return _told(bases.change(base.id, **values))


def _threshold(word: str) -> float | None:
    from engine.errors import BadInput

    try:
        return None if word == "auto" else float(word)
    except ValueError as error:
        raise BadInput("The threshold must be from 0 to 1.") from error


def delete(arguments: argparse.Namespace) -> dict[str, Any]:
    """Delete a base."""
    from engine.knowledge import bases

    base = bases.get(arguments.name)
    bases.delete(base.id)
    say(f"“{base.name}” is deleted.")
    return {"id": base.id, "name": base.name, "deleted": True}


def reindex(arguments: argparse.Namespace) -> dict[str, Any]:
    """Another model, another splitter, or both."""
    from engine.fields import parse
    from engine.knowledge import bases, documents
    from engine.knowledge.ingest import reindex as reindex_
    from engine.knowledge.splitting import Splitter

    base = bases.get(arguments.name)
    values = given(arguments, Splitter)
    splitter = parse(Splitter, {**base.splitter.model_dump(), **values}) if values else None
    kept = [document.name for document in documents.list_documents(base.id) if document.worked_on] if splitter else []
    with bar("reindex", "passage") as progress:
        after = reindex_(base.id, arguments.embedding, splitter, progress)
    say(f"“{after.name}” is indexed anew: {after.passages} passages, embedding {after.embedding}.")
    for name in kept:
        say(f"“{name}” was not split again: passages of it were corrected or switched off.")
    return _described(after)


def add_files(arguments: argparse.Namespace) -> dict[str, Any]:
    """Take documents in; each that is refused is told on a line of standard error."""
    from engine.errors import BadInput
    from engine.jobs.knowledge import nothing_taken
    from engine.knowledge import bases
    from engine.knowledge.ingest import ingest

    base = bases.get(arguments.name)
    files = [(path.name, path) for path in arguments.files]
    with bar("add", "passage") as progress:
        done = ingest(base.id, files, arguments.passages, progress)
    error = done.refused.pop() if nothing_taken(done) else None
    for note in [*done.refused, *done.warnings]:
        print(note.text, file=sys.stderr)
    if error:
        raise BadInput(error.sentence, **error.values)
    counts = (
        f"added: {done.added}; replaced: {done.replaced}; unchanged: {done.unchanged}; refused: {len(done.refused)}"
    )
    say(f"Documents {counts}")
    for name, others in done.duplicates.items():
        say(f"“{name}” says the same as {', '.join(f'“{other}”' for other in others)}.")
    after = bases.get(base.id)
    return {"id": base.id, "name": base.name, "total": after.passages, **done.model_dump(mode="json")}


def list_documents(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The documents of a base."""
    from engine.knowledge import bases, documents

    found = documents.list_documents(bases.get(arguments.name).id)
    for document in found:
        say(f"{document.id}  {document.name}  {document.pages or '–'} pages  {document.passages} passages")
    if not found:
        say("No documents yet: `python -m engine kb add NAME FILE…` adds some.")
    return [document.model_dump(mode="json") for document in found]


def remove(arguments: argparse.Namespace) -> dict[str, Any]:
    """Take a document out."""
    from engine.knowledge import bases, documents

    base = bases.get(arguments.name)
    document = _document(base.id, arguments.document)
    documents.delete_document(base.id, document.id)
    say(f"“{document.name}” is no longer in “{base.name}”.")
    return {"id": document.id, "name": document.name, "deleted": True}


def list_passages(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """The passages of a document."""
    from engine.knowledge import bases, passages

    base = bases.get(arguments.name)
    document = _document(base.id, arguments.document)
    found = passages.list_passages(base.id, document.id, max(0, arguments.offset), max(1, arguments.limit))
    for passage in found:
        page = f"page {passage.page}, " if passage.page is not None else ""
        state = "" if passage.enabled else ", disabled"
        say(f"Passage {passage.id}, key {passage.key} ({page}line {passage.line}{state})\n{passage.text}\n")
    return [passage.model_dump(mode="json") for passage in found]


def correct(arguments: argparse.Namespace) -> dict[str, Any]:
    """Give a passage another text."""
    from engine.knowledge import bases, passages

    passage = passages.correct(bases.get(arguments.name).id, arguments.passage, arguments.text)
    say(f"Passage {passage.id} of “{passage.document_name}” is corrected.")
    return passage.model_dump(mode="json")


def switch(arguments: argparse.Namespace) -> dict[str, Any]:
    """Let a passage be found or not."""
    from engine.knowledge import bases, passages

    passage = passages.set_enabled(bases.get(arguments.name).id, arguments.passage, arguments.enabled)
    say(f"Passage {passage.id} of “{passage.document_name}” is {'enabled' if passage.enabled else 'disabled'}.")
    return passage.model_dump(mode="json")


def _document(base_id: str, name: str):
    """The document of this name, or else of this number.

    Raises:
        BadInput: there is none.
    """
    from engine.knowledge import documents

    is_number = name.isdecimal() and name not in documents.stored_hashes(base_id)
    return documents.get_document(base_id, int(name) if is_number else name)


def _told(base) -> dict[str, Any]:
    described = _described(base)
    for key, value in described.items():
        say(f"{key}: {value}")
    return described


def _described(base) -> dict[str, Any]:
    return {**base.model_dump(mode="json"), "effective_threshold": base.effective_threshold}
