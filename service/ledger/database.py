"""A database's URL comes in; a SQLAlchemy engine that suits the ledger goes out."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, cast

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from service.errors import LedgerRefused

Mode = Literal["read", "write", "none"]
"""Which transaction a connection begins: one that reads, one that writes, or none at all."""

FileId = tuple[int, int]
"""Device and inode."""

_BUSY_MS = 5_000
_WRITE_MS = 10_000
_DRIVERS = {
    "sqlite": "sqlite+pysqlite",
    "sqlite+pysqlite": "sqlite+pysqlite",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
# A store behind a dead network answers nothing: without these a write would wait for hours.
_POSTGRESQL = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    "application_name": "harbor",
}


def parse(url: str) -> URL:
    """The URL with the driver that Harbor uses. Raises LedgerRefused, never showing a password."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise LedgerRefused("the ledger's URL is not of the form driver://...") from None
    if parsed.drivername not in _DRIVERS:
        raise LedgerRefused(
            f"the ledger needs sqlite:// or postgresql://, found {parsed.drivername}://"
        )
    parsed = parsed.set(drivername=_DRIVERS[parsed.drivername])
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise LedgerRefused("a ledger on SQLite needs a file: sqlite:///path")
    return parsed


def engine(url: URL) -> Engine:
    """An engine that has not connected yet. Raises LedgerRefused where the driver is missing."""
    if url.get_backend_name() == "sqlite":
        return _sqlite(url)
    try:
        created = create_engine(
            url,
            pool_pre_ping=True,
            pool_timeout=10,
            hide_parameters=True,
            connect_args={**_POSTGRESQL, **url.query},
        )
    except ImportError:
        raise LedgerRefused(
            "a ledger on PostgreSQL needs psycopg: pip install 'harbor-router[postgres]'"
        ) from None
    event.listen(created, "begin", _begin_postgresql)
    return created


def file_id(url: URL) -> FileId | None:
    """What tells SQLite's file from another one of the same name; None where there is no file."""
    if url.get_backend_name() != "sqlite" or url.database is None:
        return None
    try:
        found = os.stat(url.database)
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def transaction(engine: Engine, mode: Mode) -> Iterator[Connection]:
    """A connection within a transaction that is committed where nothing was raised."""
    with engine.connect() as connection:
        connection = connection.execution_options(harbor_mode=mode)
        with connection.begin():
            yield connection


def run(connection: Connection, statement: str) -> None:
    """Runs a statement of SQLite to its end, outside of a transaction.

    A script: of `PRAGMA incremental_vacuum`, which frees one page a step, the driver would
    otherwise take the first step alone.
    """
    cursor = cast("sqlite3.Cursor", connection.connection.cursor())
    try:
        cursor.executescript(statement)
    finally:
        cursor.close()


def _sqlite(url: URL) -> Engine:
    created = create_engine(
        url, pool_timeout=10, hide_parameters=True, connect_args={"timeout": _BUSY_MS / 1000}
    )
    event.listen(created, "connect", _prepare_sqlite)
    event.listen(created, "begin", _begin_sqlite)
    return created


def _prepare_sqlite(connection: sqlite3.Connection, _: Any) -> None:
    """secure_delete: what is deleted is overwritten. auto_vacuum: a pruned file gets smaller."""
    # The driver's own BEGIN comes late and not at all before a SELECT: the engine sends it.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA journal_size_limit = 67108864")


def _begin_sqlite(connection: Connection) -> None:
    mode = connection.get_execution_options().get("harbor_mode")
    if mode == "write":
        # A transaction that reads first and writes later could not wait for another writer.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif mode == "read":
        connection.exec_driver_sql("BEGIN")


def _begin_postgresql(connection: Connection) -> None:
    # Who locks a whole table must not hold up a reader for as long.
    limits = f"SET LOCAL lock_timeout = {_WRITE_MS}"
    if connection.get_execution_options().get("harbor_mode") == "write":
        limits += f"; SET LOCAL statement_timeout = {_WRITE_MS}"
    connection.exec_driver_sql(limits)
