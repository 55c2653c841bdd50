"""Records come in from the event loop; a thread writes them to the store, and reads come back."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Self, TypeVar, cast

from service.errors import LedgerUnavailable
from service.ledger.faults import RecordRefusedError
from service.ledger.preparation import Preparation
from service.ledger.readers import Readers
from service.ledger.records import FinalLabel, Record
from service.ledger.scope import FeedbackReceipt, Forgotten
from service.ledger.store import Store
from service.ledger.tables import ID
from service.ledger.writer import Writer
from service.logs import Log
from service.metrics.ledger import LedgerMetrics
from service.settings import Settings

T = TypeVar("T")

_PRUNE_EVERY_S = 3_600.0
_PRUNED_AT_ONCE = 2_000
_READERS = 4
_PATIENCE_S = 30.0


class Ledger:
    """The ledger of a running service: recording never blocks and never raises.

    A thread writes what was recorded every `ledger_flush_s` seconds. A write that fails is
    repeated; the service runs on, and `up` is False meanwhile.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: LedgerMetrics,
        log: Log,
        *,
        clock: Callable[[], float] = time.time,
        detect_language: bool = False,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        """clock: seconds since the epoch. patience_s: how long a caller waits for a store that
        hangs. Raises LedgerRefused where the URL cannot be used.
        """
        self._patience_s = patience_s
        self._settings, self._metrics, self._clock = settings, metrics, clock
        self._store = None if settings.ledger == "off" else Store(settings.ledger)
        self._writer: Writer | None = None
        self._prepare = Preparation(log, settings.ledger_text, detect_language)
        self._next_prune = float("-inf")
        self._on_their_way: list[Callable[[], Awaitable[None]]] = []
        self._readers = Readers(_READERS, "ledger-reader")
        if self._store is not None:
            self._writer = self._new_writer(self._store, log)

    async def __aenter__(self) -> Self:
        """Opens the store; one that cannot be reached is tried again later.

        Raises LedgerRefused where the store is newer than this code, or is another program's.
        """
        if self._writer is not None:
            await asyncio.to_thread(self._writer.start)
            self._metrics.watch_queue(lambda: self.waiting)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Writes what waits, for at most `drain_s` seconds; the rest is counted as `closing`."""
        self._readers.close()
        if self._writer is not None and self._store is not None:
            await asyncio.to_thread(self._writer.close, self._settings.drain_s)
            self._store.close()

    @property
    def on(self) -> bool:
        """False where the setting `ledger` is `off`."""
        return self._store is not None

    @property
    def up(self) -> bool:
        """Whether the store is open and the last write to it succeeded; False where it is off."""
        return self._writer is not None and self._writer.up

    @property
    def waiting(self) -> int:
        """Records that wait to be written."""
        return 0 if self._writer is None else self._writer.waiting

    def record(self, record: Record) -> None:
        """Takes a decision or a comparison; one that does not fit in the queue is counted.

        Any thread may call it.
        """
        if self._writer is not None:
            self._writer.put(self._prepare.shorten(record))

    def before_flushing(self, arrive: Callable[[], Awaitable[None]]) -> None:
        """Awaits `arrive` in each flush: records may be on their way from other processes."""
        self._on_their_way.append(arrive)

    async def flush(self) -> None:
        """Returns once all that was recorded before is in the store.

        Raises LedgerUnavailable where the write failed; the records still wait then.
        """
        writer = self._on()
        for arrive in self._on_their_way:
            await arrive()
        await self._in_time(asyncio.wrap_future(writer.flush()))

    async def feedback(self, labels: Sequence[FinalLabel]) -> FeedbackReceipt:
        """Keeps final labels, after the decisions that they may belong to.

        Raises LedgerUnavailable where the ledger is off or cannot be reached, ValueError where a
        label has not exactly one id or a time is not finite; none is kept then.
        """
        await self.flush()
        try:
            receipt = await self.read(lambda store: store.add_feedback(labels, self._clock()))
        except RecordRefusedError as error:
            raise ValueError(str(error)) from error
        for outcome, count in Counter(receipt.outcomes).items():
            self._metrics.feedback(outcome, count)
        if receipt.unmatched:
            self._metrics.feedback("unmatched", len(receipt.unmatched))
        if receipt.kept:
            self._metrics.wrote("feedback", receipt.kept)
        return receipt

    async def read(self, function: Callable[[Store], T]) -> T:
        """What `function` makes of the store, in a thread of its own; it may write as well.

        Raises LedgerUnavailable where the ledger is off or cannot be reached.
        """
        if not self._on().opened:
            raise LedgerUnavailable("the ledger's store has not been reached yet")
        store = cast("Store", self._store)
        try:
            running = self._readers.submit(partial(function, store))
        except RuntimeError as error:
            raise LedgerUnavailable("the ledger is closed") from error
        return await self._in_time(asyncio.wrap_future(running))

    async def forget(self, ticket_id: str, *, everything: bool = False) -> Forgotten:
        """Deletes a ticket's text, or every row that belongs to it. Raises as `read` does."""
        await self.flush()
        if len(ticket_id) > ID:
            return Forgotten()  # No ticket has such an id, but another one may begin like it.
        return await self.read(lambda store: store.forget(ticket_id, everything=everything))

    async def _in_time(self, answer: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._patience_s):
                return await answer
        except TimeoutError:
            raise LedgerUnavailable("the ledger's store does not answer") from None

    def _on(self) -> Writer:
        if self._writer is None:
            raise LedgerUnavailable("the ledger is off")
        return self._writer

    def _new_writer(self, store: Store, log: Log) -> Writer:
        return Writer(
            store,
            self._metrics,
            log,
            limit=self._settings.ledger_queue,
            flush_s=self._settings.ledger_flush_s,
            prepare=self._prepare,
            between=lambda: self._prune(store),
        )

    def _prune(self, store: Store) -> bool:
        """One step of the hourly retention; True where there is more to prune."""
        now = self._clock()
        if now < self._next_prune:
            return False
        keep_days, max_mb = self._settings.ledger_keep_days, self._settings.ledger_max_mb
        gone = store.prune(now, keep_days, max_mb, most=_PRUNED_AT_ONCE)
        for reason, decisions in gone.items():
            if decisions:
                self._metrics.pruned(reason, decisions)
        if sum(gone.values()) >= _PRUNED_AT_ONCE:
            return True
        self._next_prune = now + _PRUNE_EVERY_S
        return False
