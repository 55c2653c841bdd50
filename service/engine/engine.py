"""One ticket's tokens come in on the event loop; its probabilities go back, once they are there."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

from service.contract.tokens import Tokens
from service.engine.answer import Answer, BatchReport, DeviceReport, Priority
from service.engine.batcher import WEIGHTS, Limits
from service.engine.cost import CostModel
from service.engine.devices import Devices
from service.engine.runner import Runner
from service.engine.twins import Callers, Queue, Twins, Waiter
from service.engine.waiting import Entry
from service.engine.warm_up import warm_up
from service.engine.wide import Wide
from service.engine.worker import Outcome, Worker
from service.errors import Closing, DeadlineExceeded, InferenceFailed

logger = logging.getLogger(__name__)


class Engine:
    """Runs tickets in batches, on one worker thread a session, while its `async with` is open.

    A worker that is free pulls the best batch of what waits at that moment: no batch is planned
    ahead, and no timer holds a ticket back. A ticket equal to one under way gets that one's answer.
    Closing answers what is queued, for at most `limits.drain_s` seconds.
    """

    def __init__(
        self,
        sessions: Sequence[Runner],
        pad_id: int,
        limits: Limits,
        *,
        on_batch: Callable[[BatchReport], None] = lambda _: None,
        warm_up: Sequence[tuple[int, int]] = (),
        express: bool = False,
        wide: Wide | None = None,
        devices: Devices | None = None,
        in_flight: int = 1,
        degraded: bool = False,
        cost: CostModel | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """on_batch: called on the event loop. warm_up: (batch, length) shapes to run first.

        express: one more worker, for short tickets while every other one is busy. wide: a session
        for a ticket that has the machine to itself. devices: of those sessions that may be lost.
        in_flight: how many neighbours of `sessions` share one device. degraded: the sessions are
        not where they were meant to be. cost: learns from every batch; a new one by default.
        """
        self._limits = limits
        self._in_flight = in_flight
        self._on_batch = on_batch
        self._warm_up = tuple(warm_up)
        self._wide = wide
        self._clock = clock
        self._devices = devices or Devices()
        self._degraded = degraded
        self._cost = cost or CostModel()
        self._queue = Queue(limits, self._cost, len(sessions), clock, in_flight)
        self._twins = Twins()
        self._workers = [
            self._worker(f"harbor-engine-{number}", session, pad_id)
            for number, session in enumerate(sessions)
        ]
        if express:
            self._workers.append(
                self._worker("harbor-engine-express", sessions[0], pad_id, express=True)
            )
        self._working: set[Worker] = set()
        self._fault: BaseException | None = None
        self._stopped = asyncio.Event()
        self._stopped.set()

    @property
    def depth(self) -> int:
        """How many tickets wait now."""
        return len(self._queue)

    @property
    def alive(self) -> bool:
        """Whether every worker is at work."""
        return len(self._working) == len(self._workers)

    @property
    def predicted_wait_s(self) -> float:
        """How long a ticket that comes now would wait, in seconds."""
        return self._queue.predicted_wait_s()

    async def __aenter__(self) -> Self:
        """Warms up, then starts the workers. Raises InferenceFailed where a warm-up batch fails."""
        self._loop = asyncio.get_running_loop()
        self._devices.start(lambda report: self._post(self._hear, report))
        try:
            await asyncio.to_thread(warm_up, self._workers, self._warm_up, self._in_flight)
        except BaseException:
            await asyncio.to_thread(self._devices.close)
            raise
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
        self._queue.close()
        try:
            async with asyncio.timeout(self._limits.drain_s):
                await self._stopped.wait()
        except TimeoutError:
            left = self._queue.clear()
            left += [entry for worker in self._workers for entry in worker.running]
            logger.warning("the engine closed with %d tickets unanswered", len(left))
            self._fail(left, Closing("the engine closed before the ticket's turn"))
        if self._wide is not None:
            await asyncio.to_thread(self._wide.close)
        await asyncio.to_thread(self._devices.close)

    async def submit(self, tokens: Tokens, deadline: float, priority: Priority = "live") -> Answer:
        """Probabilities of one ticket. deadline: in `time.monotonic()` seconds.

        Raises Overloaded at once where the queue is full, DeadlineExceeded as soon as the deadline
        passes, Closing once the engine closes, InferenceFailed where its batch failed. A ticket
        whose callers have all left, be it by cancellation or because their deadlines passed while
        it waited, is not run.
        """
        if self._fault is not None and not self._has_general():
            raise InferenceFailed("the engine has no worker left") from self._fault
        now = self._clock()
        if deadline <= now:
            self._on_batch(BatchReport(expired=1))
            raise DeadlineExceeded("the deadline had passed before the ticket was queued")
        waiter: Waiter = self._loop.create_future()
        callers = self._join(tokens, deadline, WEIGHTS[priority], waiter, now)
        timer = self._loop.call_later(deadline - now, _expire, waiter)
        try:
            return await waiter
        except DeadlineExceeded:
            self._give_up(callers, waiter, BatchReport(expired=1))
            raise
        except asyncio.CancelledError:
            self._give_up(callers, waiter, BatchReport(abandoned=1))
            raise
        finally:
            timer.cancel()

    def _join(
        self, tokens: Tokens, deadline: float, weight: float, waiter: Waiter, now: float
    ) -> Callers:
        """The waiter among its ticket's callers: an equal one's under way, or else a new one's."""
        key = tokens.ids.tobytes()
        twin = None if self._queue.closed else self._twins.find(key)
        joined = None if twin is None else self._queue.amend(twin, deadline, weight)
        if joined is not None:
            joined.payload.asked[waiter] = now
            return joined.payload
        # Its callers know it before it is queued: a worker may take it at once.
        entry = self._queue.add(tokens, deadline, weight, Callers(key, {waiter: now}), now)
        self._twins.begin(entry)
        return entry.payload

    def _give_up(self, callers: Callers, waiter: Waiter, report: BatchReport) -> None:
        """The waiter's caller left; with the last one the ticket leaves the queue."""
        if callers.asked.pop(waiter, None) is None or callers.asked:
            return
        entry = self._twins.end(callers)
        if entry is not None and self._queue.discard(entry):
            self._on_batch(report)

    def _worker(self, name: str, session: Runner, pad_id: int, *, express: bool = False) -> Worker:
        return Worker(
            name,
            session,
            self._queue,
            pad_id,
            layout=self._limits.layout,
            degraded=self._degraded,
            express=express,
            wide=self._wide,
            idle=lambda: self._devices.spares(session),
            clock=self._clock,
            deliver=lambda outcome: self._post(self._settle, outcome),
            leave=lambda worker: self._post(self._leave, worker),
        )

    def _post(self, callback: Callable[..., None], *values: object) -> None:
        """Hands over from a worker's thread to the event loop."""
        # A call that outlasts the drain may find the loop gone; its tickets have been answered.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *values)

    def _settle(self, outcome: Outcome) -> None:
        shared = 0
        for callers, result in outcome.results:
            self._twins.end(callers)
            answered = callers.settle(result, outcome.taken)
            shared += max(answered - 1, 0)
        report = replace(outcome.report, shared=shared) if shared else outcome.report
        self._on_batch(self._devices.noted(report))

    def _hear(self, report: DeviceReport) -> None:
        """Trouble with a device, or its end."""
        self._devices.cut(self._queue, self._limits, self._cost)
        self._on_batch(BatchReport(device=self._devices.summary(report)))

    def _leave(self, worker: Worker) -> None:
        self._working.discard(worker)
        if worker.fault is not None:
            self._fault = worker.fault
            self._fail(worker.running, InferenceFailed("the engine's worker died"))
        if not self._has_general():
            # Without one nobody would ever answer: what still waits hears so now.
            self._queue.close()
            self._fail(self._queue.clear(), InferenceFailed("the engine has no worker left"))
        if not self._working:
            self._stopped.set()

    def _has_general(self) -> bool:
        return any(not worker.express for worker in self._working)

    def _fail(self, entries: Iterable[Entry[Callers]], error: Exception) -> None:
        for entry in entries:
            self._twins.end(entry.payload)
            entry.payload.settle(error, self._clock())


def _expire(waiter: Waiter) -> None:
    if not waiter.done():
        waiter.set_exception(DeadlineExceeded("the deadline passed before the answer"))
