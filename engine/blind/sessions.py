"""The blind sessions there are: make one, list those that are open, close one. Voting is `engine.blind.voting`."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, select, true
from sqlalchemy.orm import Session

from engine.adapters.store import Adapter, read_adapter
from engine.blind.schema import BlindSession, ItemRow, Replies, SessionRow, VoteRow, judgement
from engine.database import now, session, writing
from engine.errors import BadInput
from engine.runs import Run
from engine.runs.answers import answers_file, read_answers

MOST_NAME = 80


@dataclass(frozen=True)
class Waiting:
    """A session that has something left for a person."""

    session: BlindSession
    left: int


def create(
    name: str,
    adapter: str,
    against: str | None,
    base_model: str,
    items: Iterable[Replies],
    by: str,
    run: str | None = None,
) -> BlindSession:
    """Make a session, open at once. Items whose replies are equal, or of which one is empty, are left out.

    Args:
        name: shown to those who vote.
        adapter: the new adapter; its replies are `after`.
        against: the adapter behind `before`; None for the base.
        base_model: the model of both.
        items: what is compared.
        by: who makes it.
        run: the win-rate run that the replies come from; one run has one open session at most.

    Raises:
        BadInput: nothing is left to compare, an adapter is missing, the name is none, or the run's session is open.
    """
    if not name.strip() or len(name) > MOST_NAME:
        raise BadInput("A blind comparison needs a name of at most {most} characters.", most=MOST_NAME)
    kept = [each for each in items if each.tell_apart]
    if not kept:
        raise BadInput("The two replies to every prompt are the same or empty: there is nothing to compare.")
    row = SessionRow(
        name=name.strip(),
        adapter=adapter,
        adapter_fingerprint=read_adapter(adapter, kind="chat").fingerprint,
        against=against,
        against_fingerprint=read_adapter(against, kind="chat").fingerprint if against else None,
        base_model=base_model,
        run=run,
        created_by=by,
    )
    with writing() as db:
        if run and db.scalar(select(SessionRow.id).where(SessionRow.run == run, SessionRow.closed.is_(None)).limit(1)):
            raise BadInput("People are comparing these answers already: close that comparison first.")
        db.add(row)
        db.flush()
        for number, each in enumerate(kept, 1):
            prompt, replies = each.prompt, {"before": each.before, "after": each.after}
            item = ItemRow(session_id=row.id, number=number, prompt=prompt, sampling=each.sampling, **replies)
            judgement(row, item, by, None, "a")  # what feedback would refuse is refused now, not at a vote
            db.add(item)
        return _record(row, len(kept))


def from_answers(run: Run, by: str, name: str | None = None) -> BlindSession:
    """Make a session of what the two sides of a finished win-rate run answered.

    Args:
        run: of kind `winrate`.
        by: who makes it.
        name: shown to those who vote; by default when the run was made, which gives nothing away.

    Raises:
        BadInput: it is no such run or not finished, an adapter of it is gone or was trained anew, or see `create`.
    """
    status = run.status()
    if run.kind != "winrate" or status.state != "finished" or not answers_file(run).exists():
        raise BadInput("Only a finished comparison of two adapters has answers that people can compare.")
    spec, against = run.spec(), status.result.get("against")
    adapter = _unchanged(spec["adapter"], status.created)
    if against:
        _unchanged(against, status.created)
    sampling = {key: spec[key] for key in ("max_new_tokens", "temperature", "seed") if key in spec}
    answers = read_answers(run)
    items = [Replies(answer["prompt"], answer["before"], answer["after"], sampling) for answer in answers]
    name = name or time.strftime("%Y-%m-%d %H:%M", time.localtime(status.created))
    return create(name, adapter.name, against, adapter.card.base_model, items, by, run.id)


def get(session_id: int) -> BlindSession:
    """One session.

    Raises:
        BadInput: there is none.
    """
    found = _find(SessionRow.id == session_id)
    if not found:
        raise BadInput("There is no blind comparison {session}.", session=session_id)
    return found[0]


def open_sessions() -> list[BlindSession]:
    """The sessions that take votes, oldest first."""
    return _find(SessionRow.closed.is_(None))[::-1]


def all_sessions(adapter: str | None = None, fingerprint: str | None = None) -> list[BlindSession]:
    """Sessions, newest first.

    Args:
        adapter: only those about this adapter.
        fingerprint: only those about these weights.
    """
    by_name = SessionRow.adapter == adapter if adapter is not None else true()
    by_weights = SessionRow.adapter_fingerprint == fingerprint if fingerprint is not None else true()
    return _find(by_name, by_weights)


def waiting(annotator: str) -> list[Waiting]:
    """The open sessions that have items left for a person, oldest first."""
    mine = select(VoteRow.session_id, func.count()).where(VoteRow.annotator == annotator).group_by(VoteRow.session_id)
    found = open_sessions()
    if not found:
        return []
    with session() as db:
        given = {session_id: votes for session_id, votes in db.execute(mine)}  # noqa: C416  (rows are no tuples to pyright)
    left = [Waiting(each, each.items - given.get(each.id, 0)) for each in found]
    return [each for each in left if each.left > 0]


def close(session_id: int) -> None:
    """End a session: nobody votes in it any more, and its votes stay. Closing it again changes nothing.

    Raises:
        BadInput: there is none.
    """
    with writing() as db:
        row = read_row(db, session_id, lock=True)
        row.closed = row.closed or now()


def read_row(db: Session, session_id: int, lock: bool = False) -> SessionRow:
    """A session's row; for a transaction that writes, `lock` keeps it as it is until the end.

    Raises:
        BadInput: there is none.
    """
    row = db.get(SessionRow, session_id, with_for_update=lock)
    if row is None:
        raise BadInput("There is no blind comparison {session}.", session=session_id)
    return row


def _unchanged(name: str, since: float) -> Adapter:
    """An adapter of a run, if it is the one that the run knew. (A name can be given again only after a deletion.)"""
    adapter = read_adapter(name, kind="chat")
    if adapter.card.created > since:
        raise BadInput("“{adapter}” was made anew after this comparison: compare it again first.", adapter=name)
    return adapter


def _find(*where: ColumnElement[bool]) -> list[BlindSession]:
    items = select(func.count(ItemRow.id)).where(ItemRow.session_id == SessionRow.id).scalar_subquery()
    query = select(SessionRow, items).where(*where).order_by(SessionRow.id.desc())
    with session() as db:
        return [_record(row, number) for row, number in db.execute(query)]


def _record(row: SessionRow, items: int) -> BlindSession:
    sides = (row.adapter, row.adapter_fingerprint, row.against, row.against_fingerprint, row.base_model)
    return BlindSession(row.id, row.name, *sides, row.run, row.created, row.created_by, row.closed, items)
