"""A database's URL comes in; records go in and out of its tables, the only place with SQL."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self, cast

from sqlalchemy import Connection

from service.ledger import (
    cases,
    database,
    final_labels,
    labelled,
    overview,
    pruning,
    registry,
    retention,
    rows,
    writing,
)
from service.ledger.faults import translated
from service.ledger.labelled import Recent
from service.ledger.records import Case, FinalLabel, Record, Registration, Seating
from service.ledger.scope import (
    FeedbackCounts,
    FeedbackReceipt,
    Forgotten,
    Pair,
    Scope,
    Total,
    Unmatched,
)


class Store:
    """The ledger's database: synchronous, safe to use from several threads and processes.

    Every method but the constructor and `close` raises LedgerUnavailable where the database cannot
    be reached or fails. SQLite runs in WAL mode with `synchronous=NORMAL`: what a method wrote
    survives `kill -9`; a power cut may take the last transactions, never the file.
    """

    def __init__(self, url: str) -> None:
        """url: `sqlite:///file`, `sqlite:////absolute/file` or `postgresql://...` (psycopg 3).

        Connects to nothing yet. Raises LedgerRefused for any other URL.
        """
        self._url = database.parse(url)
        self._engine = database.engine(self._url)
        self._file: database.FileId | None = None

    def __enter__(self) -> Self:
        """As `open`."""
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The database's URL without its password."""
        return self._url.set(query={}).render_as_string(hide_password=True)

    def open(self) -> None:
        """Brings the tables up to date; several processes may do so at once, and one again.

        Raises LedgerRefused where the store is newer than this code, or is another program's.
        """
        # Alembic costs a start 0.1 s, and who turns the ledger off does not need it.
        from service.ledger.migrate import migrate

        self.close()
        try:
            with self._within("write") as connection:
                migrate(connection)
            self._file = database.file_id(self._url)
        except BaseException:
            self.close()
            raise

    @property
    def in_place(self) -> bool:
        """Whether SQLite's file is still the one that was opened; a deleted one takes writes."""
        return self._file == database.file_id(self._url)

    def close(self) -> None:
        """Closes every connection; the store may be opened again."""
        self._engine.dispose()

    def write(self, records: Sequence[Record]) -> None:
        """Keeps decisions and comparisons in one transaction; those that are there already stay.

        So a batch may be repeated where it is not clear whether it was written. Raises
        RecordRefusedError where the database rejects a record as such; then nothing is written.
        """
        new = writing.rows_of(records)
        with self._within("write") as connection:
            writing.insert(connection, new)

    def add_feedback(self, labels: Sequence[FinalLabel], now: float) -> FeedbackReceipt:
        """Keeps final labels in one transaction, beside the earlier ones.

        now: seconds since the epoch; a label without a time of its own counts as decided then.
        One that repeats the one that counts, with a later time, is kept and a `duplicate`. Raises
        RecordRefusedError where a label has not exactly one id, or a time is not finite.
        """
        new = [rows.feedback_row(label, now) for label in labels]
        with self._within("write") as connection:
            return final_labels.add(connection, new)

    def cases(self, scope: Scope) -> Iterator[Case]:
        """The comparisons of a scope, newest decision first, one for each ticket id and task.

        Of a ticket the latest decision in the scope counts; those without a ticket id count each. A
        label by request id beats one by ticket id. Reads in pages: exhaust it, or close it.
        """
        with self._within("read") as connection:
            yield from cases.cases(connection, scope)

    def recent(
        self, legacy: str, primary_digest: str, identity: str, task: str, limit: int
    ) -> list[bool]:
        """Whether the two labels differed, of the newest `limit` compared answers, oldest first."""
        with self._within("read") as connection:
            return overview.recent(connection, legacy, primary_digest, identity, task, limit)

    def totals(self, scope: Scope) -> list[Total]:
        """Every comparison of a scope (its limit aside, repeated tickets counted), by outcome."""
        with self._within("read") as connection:
            return overview.totals(connection, scope)

    def pairs(self) -> list[Pair]:
        """The pairs of models that met, the one with the newest decision first."""
        with self._within("read") as connection:
            return overview.pairs(connection)

    def unmatched(self) -> Unmatched:
        """The final labels that match no decision."""
        with self._within("read") as connection:
            return final_labels.unmatched(connection)

    def feedback_counts(self) -> FeedbackCounts:
        """How many final labels there are."""
        with self._within("read") as connection:
            return final_labels.counts(connection)

    def labelled(self, digest: str, tasks: Sequence[str], limit: int) -> dict[str, Recent]:
        """By task, the newest `limit` decisions of a bundle: the labelled ones, and all."""
        with self._within("read") as connection:
            return labelled.labelled(connection, digest, tasks, limit)

    def newest_label(self) -> int:
        """A number that grows with every final label that is kept; 0 before the first."""
        with self._within("read") as connection:
            return labelled.newest_label(connection)

    def texts(self, decision_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
        """Redacted (subject, body) by decision id, of those whose text was kept."""
        with self._within("read") as connection:
            return overview.texts_of(connection, decision_ids)

    def register(self, registration: Registration) -> bool:
        """Keeps a plan unless it is the newest of its pair already; whether it was kept."""
        with self._within("write") as connection:
            return registry.register(connection, registration)

    def registrations(
        self,
        legacy: str | None = None,
        challenger: str | None = None,
        incumbent: str | None = None,
    ) -> list[Registration]:
        """The registered plans, oldest first; None for any."""
        with self._within("read") as connection:
            return registry.registered(connection, legacy, challenger, incumbent)

    def seat(self, seating: Seating) -> None:
        """Keeps a promotion or a roll-back."""
        with self._within("write") as connection:
            registry.seat(connection, seating)

    def seatings(self, limit: int = 100) -> list[Seating]:
        """Promotions and roll-backs, newest first."""
        with self._within("read") as connection:
            return registry.seated(connection, limit)

    def forget(self, ticket_id: str, *, everything: bool = False) -> Forgotten:
        """Deletes a ticket's text, or every row that belongs to it; how many rows went.

        SQLite overwrites the bytes, in a log that a reader holds with the next checkpoint.
        """
        delete = retention.forget_everything if everything else retention.forget_text
        with self._within("write") as connection:
            gone = delete(connection, cast("str", rows.key(ticket_id)))
        self._checkpoint()
        return gone

    def prune(
        self, now: float, keep_days: float, max_mb: float, most: int | None = None
    ) -> dict[str, int]:
        """Deletes the oldest decisions with all that belongs to them; how many, by reason.

        reasons: `age` (older than keep_days), `size` (beyond max_mb MiB). most: decisions to delete
        in this call. Final labels go with the last decision that they match; those that match none
        go with the decisions of their time.
        """
        gone = pruning.prune(self._within, now, keep_days, max_mb, most)
        if any(gone.values()):
            self._checkpoint(shrink=True)
        return gone

    def pruned_until(self) -> float | None:
        """Time of the newest decision that `prune` has removed; None where it removed none."""
        with self._within("read") as connection:
            return retention.pruned_until(connection)

    def size_bytes(self) -> int:
        """Bytes that the ledger's live rows and indexes take; on PostgreSQL an estimate."""
        with self._within("read") as connection:
            return retention.size_bytes(connection)

    def _checkpoint(self, *, shrink: bool = False) -> None:
        """SQLite: empties the log file, and gives free pages back to the file system."""
        if self._url.get_backend_name() != "sqlite":
            return
        with self._within("none") as connection:
            if shrink:
                database.run(connection, "PRAGMA incremental_vacuum")
            database.run(connection, "PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def _within(self, mode: database.Mode) -> Iterator[Connection]:
        with translated(), database.transaction(self._engine, mode) as connection:
            yield connection
