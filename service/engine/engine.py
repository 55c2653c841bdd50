"""One ticket's tokens come in on the event loop; its probabilities go back, once they are there."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Literal, Self

from service.contract.tokens import Tokens
from service.engine.answer import Answer, BatchReport
from service.engine.batcher import WEIGHTS, Batcher, Limits
from service.engine.cost import CostModel
from service.engine.worker import Outcome, Runner, Waiter, Worker
from service.errors import Closing, DeadlineExceeded, InferenceFailed

Priority = Literal["live", "bulk"]

logger = logging.getLogger(__name__)


def _ignore(_: BatchReport) -> None:
    """Where nobody listens."""


class Engine:
    """Runs tickets in batches, on one worker thread a session, while its `async with` is open.

    A worker that is free pulls the best batch of what waits at that moment: no batch is planned
    ahead, and no timer holds a ticket back. Closing answers what is queued, for at most
    `limits.drain_s` seconds.
    """

    def __init__(
        self,
        sessions: Sequence[Runner],
        pad_id: int,
        limits: Limits,
        *,
        on_batch: Callable[[BatchReport], None] = _ignore,
        warm_up: Sequence[tuple[int, int]] = (),
        cost: CostModel | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """on_batch: called on the event loop. warm_up: (batch, length) shapes to run first.

        cost: learns from every batch; a new one by default.
        """
        self._limits = limits
        self._on_batch = on_batch
        self._warm_up = tuple(warm_up)
        self._clock = clock
        self._batcher: Batcher[Waiter] = Batcher(limits, cost or CostModel(), len(sessions), clock)
        self._workers = [
            Worker(
                f"harbor-engine-{number}",
                session,
                self._batcher,
                pad_id,
                clock=clock,
                deliver=lambda outcome: self._post(self._settle, outcome),
                leave=lambda worker: self._post(self._leave, worker),
            )
            for number, session in enumerate(sessions)
        ]
        self._working: set[Worker] = set()
        self._fault: BaseException | None = None
        self._stopped = asyncio.Event()
        self._stopped.set()

    @property
    def depth(self) -> int:
        """How many tickets wait now."""
        return len(self._batcher)

    @property
    def alive(self) -> bool:
        """Whether every worker is at work."""
        return len(self._working) == len(self._workers)

    @property
    def predicted_wait_s(self) -> float:
        """How long a ticket that comes now would wait, in seconds."""
        return self._batcher.predicted_wait_s()

    async def __aenter__(self) -> Self:
        """Warms up, then starts the workers. Raises InferenceFailed where a warm-up batch fails."""
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._warm)
        self._stopped.clear()
        self._working = set(self._workers)
        for worker in self._workers:
            worker.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Refuses new tickets, answers those that wait; after `drain_s` the rest gets Closing."""
        self._batcher.close()
        try:
            async with asyncio.timeout(self._limits.drain_s):
                await self._stopped.wait()
        except TimeoutError:
            left = [entry.payload for entry in self._batcher.clear()]
            left += [entry.payload for worker in self._workers for entry in worker.running]
            logger.warning("the engine closed with %d tickets unanswered", len(left))
            _fail(left, Closing("the engine closed before the ticket's turn"))

    async def submit(self, tokens: Tokens, deadline: float, priority: Priority = "live") -> Answer:
        """Probabilities of one ticket. deadline: in `time.monotonic()` seconds.

        Raises Overloaded at once where the queue is full, DeadlineExceeded as soon as the deadline
        passes, Closing once the engine closes, InferenceFailed where its batch failed. A ticket
        whose caller is cancelled, or whose deadline passes while it waits, is not run.
        """
        if self._fault is not None and not self._working:
            raise InferenceFailed("the engine has no worker left") from self._fault
        left_s = deadline - self._clock()
        if left_s <= 0:
            self._on_batch(BatchReport(expired=1))
            raise DeadlineExceeded("the deadline had passed before the ticket was queued")
        waiter: Waiter = self._loop.create_future()
        entry = self._batcher.add(tokens, deadline, WEIGHTS[priority], waiter)
        try:
            async with asyncio.timeout(left_s):
                return await waiter
        except TimeoutError:
            if self._batcher.discard(entry):
                self._on_batch(BatchReport(expired=1))
            raise DeadlineExceeded("the deadline passed before the answer") from None
        except asyncio.CancelledError:
            if self._batcher.discard(entry):
                self._on_batch(BatchReport(abandoned=1))
            raise

    def _warm(self) -> None:
        # Workers that share a session share what warming up does to it.
        apart = {id(worker.session): worker for worker in self._workers}
        for worker in apart.values():
            for batch, length in self._warm_up:
                worker.warm_up(batch, length)

    def _post(self, callback: Callable[..., None], *values: object) -> None:
        """Hands over from a worker's thread to the event loop."""
        # A call that outlasts the drain may find the loop gone; its tickets have been answered.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *values)

    def _settle(self, outcome: Outcome) -> None:
        for waiter, result in outcome.results:
            if waiter.done():
                continue
            if isinstance(result, Answer):
                waiter.set_result(result)
            else:
                waiter.set_exception(result)
        self._on_batch(outcome.report)

    def _leave(self, worker: Worker) -> None:
        self._working.discard(worker)
        if worker.fault is not None:
            self._fault = worker.fault
            _fail(
                [entry.payload for entry in worker.running],
                InferenceFailed("the engine's worker died"),
            )
        if not self._working:
            # Without a worker nobody would ever answer: what still waits hears so now.
            self._batcher.close()
            _fail(
                [entry.payload for entry in self._batcher.clear()],
                InferenceFailed("the engine has no worker left"),
            )
            self._stopped.set()


def _fail(waiters: Iterable[Waiter], error: Exception) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_exception(error)
