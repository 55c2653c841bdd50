"""Records come in from any thread; one thread of its own writes them to the store in batches."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress

from service.errors import LedgerUnavailable, ServiceError
from service.ledger.faults import RecordRefusedError
from service.ledger.records import Decision, Record
from service.ledger.store import Store
from service.logs import Log, failure
from service.metrics.ledger import LedgerMetrics

_BATCH = 2_000
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_MOST_ASKED = 10_000


class Writer:
    """Writes every `flush_s` seconds, or as soon as a whole batch waits.

    A batch that failed is kept and repeated: the store takes a record once, however often it is
    written. Records that wait are `limit` at most, those of the batch included.
    """

    def __init__(
        self,
        store: Store,
        metrics: LedgerMetrics,
        log: Log,
        *,
        limit: int,
        flush_s: float,
        prepare: Callable[[Record], Record],
        between: Callable[[], bool],
    ) -> None:
        """prepare: called once with each record, in the thread. between: called after each round of
        writes; True asks to be called again soon.
        """
        self._store, self._metrics, self._log = store, metrics, log
        self._limit, self._flush_s = limit, flush_s
        self._prepare, self._between = prepare, between
        self._queue: deque[Record] = deque()
        self._batch: Sequence[Record] = ()
        self._asked: deque[Future[None]] = deque()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._abandoned = threading.Event()
        self._pause_s = self._took_s = 0.0
        self._opened = False
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)

    @property
    def opened(self) -> bool:
        """Whether the store's tables are known to be there."""
        return self._opened

    @property
    def up(self) -> bool:
        """Whether the store is open and the last write succeeded."""
        return self._opened and not self._pause_s

    @property
    def waiting(self) -> int:
        """Records that wait to be written."""
        return len(self._queue) + len(self._batch)

    def start(self) -> None:
        """Opens the store, if it can be reached, and starts the thread. Raises LedgerRefused."""
        try:
            self._open()
        except LedgerUnavailable as error:
            self._failed(error)
        self._thread.start()

    def put(self, record: Record) -> None:
        """Takes a record, or drops and counts it; never blocks."""
        if self._closing.is_set():
            self._metrics.dropped(kind(record), "closing")
        elif self.waiting >= self._limit:
            self._metrics.dropped(kind(record), "queue_full")
        else:
            self._queue.append(record)
            if len(self._queue) >= _BATCH and not self._pause_s:
                self._wake.set()

    def flush(self) -> "Future[None]":
        """Done once all that was put before is written; raises LedgerUnavailable if that fails."""
        future: Future[None] = Future()
        if len(self._asked) >= _MOST_ASKED:
            future.set_exception(LedgerUnavailable("too many wait for the ledger's store"))
            return future
        self._asked.append(future)
        self._wake.set()
        if self._abandoned.is_set() or not self._thread.is_alive():
            self._answer(LedgerUnavailable("the ledger is closed"))
        return future

    def close(self, drain_s: float) -> None:
        """Writes what waits for at most `drain_s` seconds; the rest is counted as `closing`."""
        self._closing.set()
        self._wake.set()
        self._thread.join(drain_s)
        self._abandoned.set()
        self._wake.set()
        lost = Counter(kind(record) for record in (*self._batch, *self._queue))
        for name, count in lost.items():
            self._metrics.dropped(name, "closing", count)
        if lost:
            self._log.error("the ledger lost records at the stop", records=lost.total())
        self._answer(LedgerUnavailable("the ledger is closed"))

    def _run(self) -> None:
        again = False
        while not self._abandoned.is_set():
            if not (again or self._closing.is_set()) or self._pause_s:
                self._wake.wait(self._pause_s or self._rest_s())
            self._wake.clear()
            if self._closing.is_set() and not self.waiting:
                return
            began = time.monotonic()
            again = self._round()
            self._took_s = time.monotonic() - began
        self._answer(LedgerUnavailable("the ledger is closed"))

    def _rest_s(self) -> float:
        """A record that comes just after a round began waits for this, that round and the next:
        no more than `flush_s` together, where a round takes no more than a quarter of it. A fifth
        is kept for a thread that wakes late.
        """
        return max(self._flush_s / 2, 0.8 * self._flush_s - 2 * self._took_s)

    def _round(self) -> bool:
        """One round of writes; whether there is more to do at once."""
        asked = len(self._asked)
        try:
            self._open()
            self._drain()
        except Exception as error:
            # Whatever it was: the records are still here, and the thread must live.
            self._failed(error)
            unavailable = error if isinstance(error, LedgerUnavailable) else None
            self._answer(unavailable or LedgerUnavailable("the ledger's store failed"), asked)
            return False
        self._answer(None, asked)
        return self._maintain()

    def _maintain(self) -> bool:
        if self._closing.is_set():
            return False
        try:
            return self._between()
        except Exception as error:
            self._log.warning("the ledger's retention failed", **_details(error))
            return False

    def _open(self) -> None:
        if self._opened and self._store.in_place:
            return
        if self._opened:
            self._log.error("the ledger's file was taken away", store=self._store.url)
        self._opened = False
        self._store.open()
        self._opened = True
        self._metrics.opened()
        self._succeeded()

    def _drain(self) -> None:
        """Writes what waited when it began: what comes meanwhile must not hold up a flush."""
        left = self.waiting
        while left > 0 and not self._abandoned.is_set():
            left -= len(self._batch) or self._take()
            self._settle()

    def _take(self) -> int:
        batch: list[Record] = []
        with suppress(IndexError):
            while len(batch) < _BATCH:
                batch.append(self._prepare(self._queue.popleft()))
                self._batch = batch
        return len(batch)

    def _settle(self) -> None:
        """Writes the batch; where the store refuses it as data, only the bad records are lost.

        What is settled leaves the batch at once, so that a failure repeats the rest alone.
        """
        size = len(self._batch)
        while self._batch:
            part = self._batch[:size]
            if self._wrote(part):
                size *= 2
            elif len(part) > 1:
                size = len(part) // 2
                continue
            self._batch = self._batch[len(part) :]

    def _wrote(self, records: Sequence[Record]) -> bool:
        """False where the store refuses a record; a lone one is then counted as lost."""
        began = time.perf_counter()
        try:
            self._store.write(records)
        except RecordRefusedError as error:
            if len(records) == 1:
                name = kind(records[0])
                self._metrics.dropped(name, "refused")
                self._log.error("the ledger refused a record", kind=name, rule=str(error))
            return False
        self._metrics.flushed(time.perf_counter() - began)
        for name, count in Counter(map(kind, records)).items():
            self._metrics.wrote(name, count)
        self._succeeded()
        return True

    def _succeeded(self) -> None:
        if self._pause_s:
            self._log.info("the ledger is back", waiting=self.waiting)
        self._pause_s = 0.0

    def _failed(self, error: Exception) -> None:
        self._metrics.failed()
        if not self._pause_s:
            self._log.error("the ledger cannot write", store=self._store.url, **_details(error))
        self._pause_s = min(_LONGEST_PAUSE_S, 2 * self._pause_s or _FIRST_PAUSE_S)

    def _answer(self, error: Exception | None, count: int | None = None) -> None:
        for _ in range(len(self._asked) if count is None else count):
            with suppress(IndexError):
                future = self._asked.popleft()
                if not future.set_running_or_notify_cancel():
                    continue
                if error is None:
                    future.set_result(None)
                else:
                    future.set_exception(error)


def kind(record: Record) -> str:
    """What the metrics call it."""
    return "decision" if isinstance(record, Decision) else "comparison"


def _details(error: Exception) -> dict[str, object]:
    """The message of an error that is ours quotes nothing; another one's might."""
    return {"message": str(error)} if isinstance(error, ServiceError) else failure(error)
