"""Tickets come in one by one, from any thread; batches of like length within a token budget go out.

Shapes: N waiting tickets in order of length, S batch sizes that are tried.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from service.contract.tokens import Tokens
from service.engine.answer import Released
from service.engine.cost import CostModel
from service.engine.waiting import Entry, Payload, WaitingLine
from service.errors import Closing, Overloaded

WEIGHTS = {"live": 1.0, "bulk": 0.1}
"""Once both have waited for some time, bulk counts like live that has waited a third as long."""

PATIENCE_S = 0.02
"""Age at which a ticket counts double: beyond it age, below it throughput decides.

Simulated with the costs of a CPU and of a GPU, 0.01 to 0.03 keeps the 99th percentile of the wait
low and the throughput near its best; at 1.0 that percentile is three to seven times as long.
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a batch and the queue may hold, at most.

    budget_tokens: tickets times the longest one's tokens; a single longer ticket runs alone.
    drain_s: how long closing waits for what is queued, in seconds.
    """

    max_batch: int = 32
    budget_tokens: int = 2048
    max_queue: int = 1024
    drain_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Batch(Generic[Payload]):
    """What one call runs, and the tickets that were found too late to run; either may be empty.

    predicted_s: what the cost model expects the call to take. released: why it went as it is.
    wide: nothing else waits or runs, so that the call may use every core.
    """

    entries: list[Entry[Payload]]
    expired: list[Entry[Payload]]
    predicted_s: float = 0.0
    released: Released = "emptied"
    wide: bool = False

    @property
    def length(self) -> int:
        """Tokens of the longest ticket."""
        return max((len(entry.tokens) for entry in self.entries), default=0)


class Batcher(Generic[Payload]):
    """The queue of one engine; thread-safe, knows no event loop.

    Every run of tickets that are neighbours by length is a possible batch. Its score is the sum
    over its tickets of `tokens * (1 + (age / PATIENCE_S)^2) * weight`, over the seconds that the
    cost model predicts. The best one goes.
    """

    def __init__(
        self,
        limits: Limits,
        cost: CostModel,
        workers: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """workers: how many threads take batches; the predicted wait is shared among them."""
        self.limits = limits
        self.closed = False
        self._cost = cost
        self._workers = workers
        self._idle = 0
        self._clock = clock
        self._line: WaitingLine[Payload] = WaitingLine(limits.max_queue)
        self._sizes_S = _sizes(limits.max_batch)
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._line)

    def add(
        self, tokens: Tokens, deadline: float, weight: float, payload: Payload
    ) -> Entry[Payload]:
        """Queues a ticket. Raises Overloaded where the queue is full, Closing after `close`."""
        with self._changed:
            if self.closed:
                raise Closing("the engine is closing and takes no more tickets")
            if len(self._line) >= self.limits.max_queue:
                raise Overloaded(
                    f"{self.limits.max_queue} tickets wait already", retry_after_s=self._wait_s()
                )
            entry = Entry(tokens, deadline, weight, self._clock(), payload)
            self._line.add(entry)
            self._changed.notify()
        return entry

    def discard(self, entry: Entry[Payload]) -> bool:
        """Takes a ticket out that shall not run; False where it has left the queue already."""
        with self._changed:
            return self._line.remove(entry)

    def take(self) -> Batch[Payload] | None:
        """The next batch, once there is a ticket; None once the queue is closed and empty."""
        with self._changed:
            self._idle += 1
            try:
                self._changed.wait_for(lambda: len(self._line) or self.closed)
                return self._choose() if len(self._line) else None
            finally:
                self._idle -= 1

    def poll(self) -> Batch[Payload] | None:
        """As `take`, without waiting: None where no ticket waits."""
        with self._changed:
            return self._choose() if len(self._line) else None

    def learn(self, batch: int, length: int, seconds: float) -> None:
        """Tells the cost model what a call of `batch` tickets padded to `length` tokens took."""
        with self._changed:
            self._cost.update(batch, length, seconds)

    def predicted_wait_s(self) -> float:
        """How long the tickets that wait now will keep the workers busy, in seconds."""
        with self._changed:
            return self._wait_s()

    def close(self) -> None:
        """Refuses new tickets; those that wait are still given out."""
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def clear(self) -> list[Entry[Payload]]:
        """Takes everything out that still waits."""
        with self._changed:
            return self._line.take(0, len(self._line))

    def _choose(self) -> Batch[Payload]:
        now = self._clock()
        expired = self._line.take_expired(now)
        if not len(self._line):
            return Batch([], expired)
        lengths_N = self._line.lengths
        counts_NS = self._counts(lengths_N)
        predicted_NS = self._cost.predict_s(counts_NS, lengths_N[:, None])
        scores_NS = self._values(now, counts_NS) / predicted_NS
        last, size = np.unravel_index(int(np.argmax(scores_NS)), scores_NS.shape)
        predicted_s = float(predicted_NS[last, size])
        stop = int(last) + 1
        return Batch(self._line.take(stop - int(counts_NS[last, size]), stop), expired, predicted_s)

    def _counts(self, lengths_N: NDArray[np.float64]) -> NDArray[np.int64]:
        """(N, S): the tickets of a batch that ends at ticket n, for each size that is tried.

        Where workers idle beside this one they get their share of what waits.
        """
        share = -(-len(lengths_N) // max(self._idle, 1))
        fitting_N = np.maximum(self.limits.budget_tokens // lengths_N, 1.0).astype(np.int64)
        most_N = np.minimum(np.minimum(fitting_N, share), np.arange(1, len(lengths_N) + 1))
        return np.minimum(self._sizes_S[None, :], most_N[:, None])

    def _values(self, now: float, counts_NS: NDArray[np.int64]) -> NDArray[np.float64]:
        ages_N = (now - self._line.arrivals) / PATIENCE_S
        values_N = self._line.lengths * (1.0 + ages_N * ages_N) * self._line.weights
        sums = np.concatenate(([0.0], np.cumsum(values_N)))
        stops_N = np.arange(1, len(values_N) + 1)
        values_NS: NDArray[np.float64] = sums[stops_N][:, None] - sums[stops_N[:, None] - counts_NS]
        return values_NS

    def _wait_s(self) -> float:
        waiting = len(self._line)
        if not waiting:
            return 0.0
        length = self._line.tokens / waiting
        batch = max(1.0, min(self.limits.max_batch, self.limits.budget_tokens // length, waiting))
        calls = waiting / batch
        return float(calls * self._cost.predict_s(batch, length)) / self._workers


def _sizes(max_batch: int) -> NDArray[np.int64]:
    """The batch sizes that are tried: 1, 2, 3, 4, 6, 8, 12, 16, 24, 32 ... and `max_batch`."""
    powers = [2**exponent for exponent in range(1, max_batch.bit_length() + 1)]
    sizes = {1, max_batch, *powers, *(power + power // 2 for power in powers)}
    return np.array(sorted(size for size in sizes if size <= max_batch), dtype=np.int64)
