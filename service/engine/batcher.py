"""Tickets come in one by one, from any thread; batches of like length, within a budget, go out."""

import threading
import time
from collections.abc import Callable
from typing import Generic

from service.contract.tokens import Tokens
from service.engine.allowance import Allowance
from service.engine.batch import Batch
from service.engine.choice import Chooser, Limits, due_s
from service.engine.cost import CostModel
from service.engine.ragged_choice import RaggedChooser
from service.engine.waiting import Entry, Payload, WaitingLine
from service.errors import Closing, Overloaded

__all__ = ["WEIGHTS", "WIDE_S", "Batch", "Batcher", "Limits"]

WEIGHTS = {"live": 1.0, "bulk": 0.0}
"""Of a ticket's priority: 1 is due soonest, 0 latest (see `service.engine.choice.due_s`)."""

WIDE_S = 0.008
"""A lone call that takes at least this long on one thread is worth waking every core for."""

EXPRESS_SHARE = 0.5
"""A ticket is short that takes at most this share of the mean of all that wait or run."""

EXPRESS_RATE, EXPRESS_MOST_S = 0.12, 0.08
"""Seconds a second that short tickets may run beside the others, and how many may be saved up.

Simulated with real lengths: a flood of long tickets then holds up the short ones, a tenth of the
saturation's, no more than one long one does; a fifth of it would need twice the rate. Without a
limit short tickets overtake so much that at 32 clients the p99 of all is half as long again.
"""


class Batcher(Generic[Payload]):
    """The queue of one engine; thread-safe, knows no event loop.

    A worker that is free takes the best batch of what waits then (`service.engine.choice`); where
    several are free they share it. While all of them are busy, one more worker may take a short
    ticket (`express`): the calls under way lend it a part of their cores, and it need not wait for
    the end of a long one.
    """

    def __init__(
        self,
        limits: Limits,
        cost: CostModel,
        workers: int = 1,
        clock: Callable[[], float] = time.monotonic,
        in_flight: int = 1,
    ) -> None:
        """workers: how many threads take batches, the express one apart. in_flight: how many of
        them share one device: the next one's batch waits there, and nothing is gained by cutting
        what waits into two.
        """
        self.closed = False
        self._workers = workers
        self._in_flight = in_flight
        self._clock = clock
        self._line: WaitingLine[Payload] = WaitingLine()
        self._move(limits, cost)
        self._at_home = True
        self._running: set[Batch[Payload]] = set()
        self._express: Batch[Payload] | None = None
        self._allowance = Allowance(EXPRESS_RATE, EXPRESS_MOST_S)
        self._crowded_until = -1.0
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._short_work = threading.Condition(self._lock)

    def __len__(self) -> int:
        return len(self._line)

    def add(
        self,
        tokens: Tokens,
        deadline: float,
        weight: float,
        payload: Payload,
        now: float | None = None,
    ) -> Entry[Payload]:
        """Queues a ticket; it came at `now`, or this moment. Raises Overloaded, Closing."""
        with self._lock:
            if self.closed:
                raise Closing("the engine is closing and takes no more tickets")
            if len(self._line) >= self.limits.max_queue:
                raise Overloaded(
                    f"{self.limits.max_queue} tickets wait already", retry_after_s=self._wait_s()
                )
            now = self._clock() if now is None else now
            alone_s = self._cost.seconds(1, len(tokens))
            due = due_s(now, alone_s, deadline, weight, len(self._line))
            entry = Entry(tokens, deadline, weight, now, payload, due, alone_s)
            self._line.add(entry)
            self._work.notify()
            self._call_express()
        return entry

    def discard(self, entry: Entry[Payload]) -> bool:
        """Takes a ticket out that shall not run; False where it has left the queue already."""
        with self._lock:
            return self._line.remove(entry)

    def amend(self, entry: Entry[Payload], deadline: float, weight: float) -> Entry[Payload] | None:
        """The ticket as it waits from now on: with the later deadline, the greater weight, and due
        no later than either of the two that ask.

        One that does not wait any more stays as it is; None where it may have left too late to run.
        """
        with self._lock:
            now = self._clock()
            if self._line.remove(entry):
                due = due_s(now, entry.alone_s, deadline, weight, len(self._line))
                entry.due = min(entry.due, due)
                entry.weight = max(entry.weight, weight)
                entry.deadline = max(entry.deadline, deadline)
                self._line.add(entry)
            elif entry.deadline <= now:
                return None
        return entry

    def take(self, *, express: bool = False) -> Batch[Payload] | None:
        """The next batch, once there is a ticket; None once the queue is closed and empty.

        express: once there is a short ticket that is worth starting although every other worker is
        busy; None once the queue is closed.
        """
        with self._lock:
            if express:
                self._short_work.wait_for(lambda: self.closed or self._is_express())
                return None if self.closed else self._take_shortest()
            self._work.wait_for(lambda: len(self._line) or self.closed)
            return self._choose() if len(self._line) else None

    def poll(self, *, express: bool = False) -> Batch[Payload] | None:
        """As `take`, without waiting: None where no ticket waits, or none is worth it."""
        with self._lock:
            if express:
                return self._take_shortest() if self._is_express() else None
            return self._choose() if len(self._line) else None

    def done(self, batch: Batch[Payload]) -> None:
        """Hears that a batch that was taken has been run, or dropped."""
        with self._lock:
            self._running.discard(batch)
            if batch is self._express:
                self._express = None
                self._crowded_until = self._clock()

    def move(self, limits: Limits, cost: CostModel, *, home: bool) -> None:
        """From now on batches run elsewhere, within these limits, at this cost.

        home: where they are meant to run. The queue's own limit stays.
        """
        with self._lock:
            self._move(limits, cost)
            self._at_home = home

    def learn(
        self, batch: int, length: float, seconds: float, *, wide: bool = False, home: bool = True
    ) -> None:
        """Tells the cost model what a call of `batch` tickets padded to `length` tokens took.

        Where the graph is ragged `length` is their mean. Not of a wide call, nor of one that lent
        a part of its core to the express worker: these say nothing about a call on a core of its
        own. home: whether it ran where batches are meant to.
        """
        with self._lock:
            lent = self._express is not None or self._clock() - seconds < self._crowded_until
            if not wide and not lent and home == self._at_home:
                self._cost.update(batch, length, seconds)

    def predicted_wait_s(self) -> float:
        """How long the tickets that wait now will keep the workers busy, in seconds."""
        with self._lock:
            return self._wait_s()

    def close(self) -> None:
        """Refuses new tickets; those that wait are still given out."""
        with self._lock:
            self.closed = True
            self._work.notify_all()
            self._short_work.notify_all()

    def clear(self) -> list[Entry[Payload]]:
        """Takes everything out that still waits."""
        with self._lock:
            return self._line.take(0, len(self._line))

    def _move(self, limits: Limits, cost: CostModel) -> None:
        self.limits, self._cost = limits, cost
        self._chooser: Chooser[Payload] | RaggedChooser[Payload] = (
            RaggedChooser(limits, cost) if limits.layout == "ragged" else Chooser(limits, cost)
        )
        for entry in self._line.take(0, len(self._line)):
            entry.alone_s = cost.seconds(1, len(entry.tokens))
            self._line.add(entry)

    def _choose(self) -> Batch[Payload]:
        now = self._clock()
        expired = self._line.take_expired(now)
        waiting = len(self._line)
        if not waiting:
            return Batch([], expired)
        free = max((self._workers - len(self._running)) // self._in_flight, 1)
        choice = self._chooser.choose(self._line, now, share=-(-waiting // free))
        alone = waiting == len(choice.positions) and not self._running and self._express is None
        batch = Batch(
            self._line.take_at(choice.positions),
            expired,
            choice.predicted_s,
            choice.released,
            wide=alone and choice.predicted_s >= WIDE_S,
        )
        self._running.add(batch)
        self._call_express()
        return batch

    def _is_express(self) -> bool:
        """Whether the shortest ticket is to run beside the calls that keep every worker busy."""
        if not len(self._line) or self._express is not None or len(self._running) < self._workers:
            return False
        total_s = self._line.alone_s + sum(batch.predicted_s for batch in self._running)
        own_s = self._line.shortest.alone_s
        short = own_s * (len(self._line) + len(self._running)) <= EXPRESS_SHARE * total_s
        return short and self._allowance.covers(own_s, self._clock())

    def _call_express(self) -> None:
        if self._is_express():
            self._short_work.notify()

    def _take_shortest(self) -> Batch[Payload]:
        expired = self._line.take_expired(self._clock())
        entries = self._line.take(0, 1)
        if not entries:
            return Batch([], expired)
        batch = Batch(
            entries, expired, entries[0].alone_s, "best" if len(self._line) else "emptied"
        )
        self._express = batch
        self._allowance.spend(batch.predicted_s)
        return batch

    def _wait_s(self) -> float:
        waiting = len(self._line)
        if not waiting:
            return 0.0
        length = self._line.tokens / waiting
        batch = max(1.0, min(self.limits.max_batch, self.limits.budget_tokens // length, waiting))
        calls = waiting / batch
        return float(calls * self._cost.predict_s(batch, length)) / self._workers
