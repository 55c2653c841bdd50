"""What a database raises comes in; what the ledger's callers know goes out.

LedgerUnavailable      (service.errors) the database cannot be reached, or fails
RecordRefusedError     a record cannot be stored as it is: repeating it is of no use
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError

from service.errors import LedgerUnavailable


class RecordRefusedError(Exception):
    """A record cannot be stored as it is; the message never quotes it."""


@contextmanager
def translated() -> Iterator[None]:
    """Raises LedgerUnavailable or RecordRefusedError in place of the database's exceptions."""
    try:
        yield
    except (DataError, IntegrityError) as error:
        raise RecordRefusedError(_said(error)) from error
    except DBAPIError as error:
        raise LedgerUnavailable(f"the ledger's store failed: {_said(error)}") from error
    except (StatementError, OverflowError, UnicodeError) as error:
        raise RecordRefusedError(type(error).__name__) from error
    except (SQLAlchemyError, OSError) as error:
        raise LedgerUnavailable(f"the ledger's store failed: {type(error).__name__}") from error


def _said(error: DBAPIError) -> str:
    """SQLite's messages are fixed texts; PostgreSQL's may quote a value: its code says enough."""
    if isinstance(error, (DataError, IntegrityError)):
        return type(error.orig).__name__
    if isinstance(error.orig, sqlite3.Error):
        return str(error.orig)
    state = getattr(error.orig, "sqlstate", None)
    return type(error.orig).__name__ + (f" ({state})" if state else "")
