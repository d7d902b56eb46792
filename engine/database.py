"""The one database: conversations and feedback. SQLite in WAL mode by default, any SQLAlchemy URL otherwise.

Tables belong to the modules that use them and hang on `Base`; a commit that returns is on disk.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import DateTime, Engine, create_engine, event
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from engine.settings import settings

Result = TypeVar("Result")


class Base(DeclarativeBase):
    """Parent of every table."""


class UtcTime(TypeDecorator[datetime]):
    """A moment, always with its time zone; SQLite forgets the zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: object) -> datetime | None:
        """Called by SQLAlchemy for each value read."""
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)


_turn = threading.Lock()


def session() -> Session:
    """A new session on the configured database, for reading: ``with session() as db: …``."""
    url = settings().database_url or f"sqlite:///{settings().var / 'studio.db'}"
    _create_tables(url, len(Base.metadata.tables))
    return Session(_engine(url), expire_on_commit=False)


@contextmanager
def writing() -> Iterator[Session]:
    """A session for reading and writing, committed at the end: ``with writing() as db: …``. Not to be nested.

    On SQLite it holds the write lock from the start, as a transaction that has read is refused at once when it wants to
    write after another has written. The threads of this process take turns: SQLite lets the waiting try again at random,
    and one of twenty may wait many times as long as the others.
    """
    with session() as db:
        sqlite = db.get_bind().dialect.name == "sqlite"
        with _turn if sqlite else nullcontext(), db.begin():
            if sqlite:
                db.connection().exec_driver_sql("BEGIN IMMEDIATE")
            yield db


def again_if_raced(write: Callable[..., Result], *arguments: Any) -> Result:
    """What a transaction that looks and then inserts gives; done anew if another one inserted the same row in between."""
    try:
        return write(*arguments)
    except IntegrityError:
        return write(*arguments)


# taken before looking what is missing: threads and processes that start together must not create the same table twice
_CREATION_LOCK = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "SELECT pg_advisory_xact_lock(20261130)"}


@cache
def _create_tables(url: str, known: int) -> None:
    """Create what is missing; asked again only when another module has brought tables of its own (`known` has grown)."""
    with _engine(url).begin() as connection:
        if lock := _CREATION_LOCK.get(connection.dialect.name):
            connection.exec_driver_sql(lock)
        Base.metadata.create_all(connection)


@cache
def _engine(url: str) -> Engine:
    engine_ = create_engine(url)
    if engine_.dialect.name == "sqlite":
        event.listen(engine_, "connect", _prepare_sqlite)
    return engine_


def _prepare_sqlite(connection, _record) -> None:
    # the waiting time comes first: switching to WAL itself needs the lock (https://sqlite.org/wal.html)
    connection.execute("PRAGMA busy_timeout=30000")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")  # an acknowledged row survives a power cut too
    connection.execute("PRAGMA foreign_keys=ON")
    # SQLite's own knows A to Z alone, and a search must find É and Я too
    connection.create_function("lower", 1, lambda text: text and text.lower(), deterministic=True)
