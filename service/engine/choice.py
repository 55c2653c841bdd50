"""Tickets that wait, sorted by length, come in; which neighbours go next, and why, goes out.

Shapes: N waiting tickets in order of length, S batch sizes that are tried.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from service.engine.answer import Released
from service.engine.cost import CostModel
from service.engine.layout import Layout
from service.engine.waiting import Entry, Payload, WaitingLine

SLACK, CROWD = 3.0, 4
"""A ticket is due after so many times what it takes alone: a short one may overtake a long one, but
only one that came less than `SLACK` times the difference of their times before it. Where more than
`CROWD` wait it is the less, the more there are: then whoever is overtaken waits long already.

Simulated with real lengths, more of either lowers the tail of the slowdown at 70 and 90 % of
saturation, but at 32 clients lifts the p99 of latency.
"""

URGENCY_S = 0.05
"""A ticket that was due so much earlier than another is worth 2.7 times as much.

Simulated on a GPU with 512 clients, 0.03 costs a quarter of the throughput that 0.1 reaches, and
0.1 lengthens the p99 of latency by a quarter. A CPU hardly notices.
"""

FEW = 12
"""Up to so many tickets that are worth a look are gone through one by one, which then is faster."""

BULK_S = 1.0
"""A ticket of weight 0 yields to those of weight 1 that come up to so much later."""

_FORLORN = 1e-6
"""What a ticket is worth, against others, that would miss its deadline even if it went now."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a batch and the queue may hold, at most.

    budget_tokens: tickets times the longest one's tokens, or where the graph is ragged the sum of
    theirs; a single longer ticket runs alone. drain_s: how long closing waits for what is queued,
    in seconds. layout: of the graph that runs them.
    """

    max_batch: int = 32
    budget_tokens: int = 2048
    max_queue: int = 1024
    drain_s: float = 30.0
    layout: Layout = "padded"


@dataclass(frozen=True, slots=True)
class Choice:
    """The tickets at these positions of the line; what they will take, in seconds.

    positions: in the order in which they go.
    """

    positions: Sequence[int]
    predicted_s: float
    released: Released


class Chooser(Generic[Payload]):
    """Every run of tickets that are neighbours by length is a possible batch; the best one goes.

    Its score is the sum over its tickets of `alone_s * exp(-due / URGENCY_S)`, over the seconds
    that the cost model predicts for all of them together: what running them together saves, and the
    more so the earlier they were due. As every ticket's due time is fixed when it comes, whoever
    waits long enough goes before all that come.
    """

    def __init__(self, limits: Limits, cost: CostModel) -> None:
        self._limits = limits
        self._cost = cost
        self._sizes_S = sizes(limits.max_batch)

    def choose(self, line: WaitingLine[Payload], now: float, share: int) -> Choice:
        """The best batch of a line that is not empty. share: tickets that it may hold at most."""
        if len(line) == 1:
            return Choice(range(1), line.shortest.alone_s, "emptied")
        near = line.due_until(self._latest_due(line, now))
        if len(near) <= FEW:
            return self._of_few(line, near, now, share)
        lengths_N = line.lengths
        counts_NS = self._counts(lengths_N, share)
        predicted_NS = self._cost.predict_s(counts_NS, lengths_N[:, None])
        scores_NS = _sums(values(line, now), counts_NS) / predicted_NS
        last, size = divmod(int(scores_NS.argmax()), scores_NS.shape[1])
        count, predicted_s = int(counts_NS[last, size]), float(predicted_NS[last, size])
        return self._choice(line, last, count, predicted_s)

    def _latest_due(self, line: WaitingLine[Payload], now: float) -> float:
        """Whoever is due later spoils every batch: its worth, against that of the first, is less
        than the seconds that it adds. What a call of the shortest saves is the most that one can.

        That holds for tickets that were priced as batches are now; where the costs have changed
        since they came, it is near enough.
        """
        if line.next_forlorn_s < now:
            return math.inf  # The first may be one of those that are worth nothing.
        fixed, linear, square = self._cost.by_count(max(len(line.shortest.tokens), 1))
        if (added := linear + square) <= 0.0:
            return math.inf
        return line.earliest_due + URGENCY_S * math.log1p(fixed / added)

    def _of_few(
        self, line: WaitingLine[Payload], near: list[Entry[Payload]], now: float, share: int
    ) -> Choice:
        """The same choice without arrays, whose thirty calls outweigh the sums that they save."""
        if len(near) == 1:
            best = 0.0, 1, 1, self._cost.seconds(1, len(near[0].tokens))
        else:
            near.sort(key=_tokens)
            best = self._best(near, line.earliest_due, now, min(share, self._limits.max_batch))
        _, last, count, predicted_s = best
        chosen = near[last - count : last]
        released = self._released(count, len(chosen[-1].tokens), len(line))
        return Choice([line.position(entry) for entry in chosen], predicted_s, released)

    def _best(
        self, near: list[Entry[Payload]], earliest: float, now: float, most: int
    ) -> tuple[float, int, int, float]:
        """The score, the place behind its last ticket, the tickets and the seconds of the best
        batch. near: in order of length.
        """
        sums = [0.0, *accumulate(_value(entry, earliest, now) for entry in near)]
        best, top, budget = (-1.0, 0, 0, 0.0), -1.0, self._limits.budget_tokens
        for last, entry in enumerate(near, start=1):
            length, total = max(len(entry.tokens), 1), sums[last]
            fixed, linear, square = self._cost.by_count(length)
            for count in range(1, min(budget // length or 1, most, last) + 1):
                predicted_s = fixed + count * (linear + count * square)
                score = (total - sums[last - count]) / predicted_s
                if score > top:
                    best, top = (score, last, count, predicted_s), score
        return best

    def _choice(
        self, line: WaitingLine[Payload], last: int, count: int, predicted_s: float
    ) -> Choice:
        length = len(line.at(last).tokens)
        released = self._released(count, length, len(line))
        return Choice(range(last + 1 - count, last + 1), predicted_s, released)

    def _counts(self, lengths_N: NDArray[np.float64], share: int) -> NDArray[np.int64]:
        """(N, S): the tickets of a batch that ends at ticket n, for each size that is tried."""
        fitting_N = np.maximum(self._limits.budget_tokens // lengths_N, 1.0)
        most_N = np.minimum(np.minimum(fitting_N, share), np.arange(1, len(lengths_N) + 1))
        return np.minimum(self._sizes_S, most_N.astype(np.int64)[:, None])

    def _released(self, count: int, length: int, waiting: int) -> Released:
        if count == waiting:
            return "emptied"
        limits = self._limits
        room = count < limits.max_batch and (count + 1) * length <= limits.budget_tokens
        return "best" if room else "full"


def due_s(now: float, alone_s: float, deadline: float, weight: float, waiting: int = 0) -> float:
    """When a ticket that comes now ought to be answered.

    weight: 1 of a live ticket, less of others. A deadline brings it forward, so that the ticket
    goes while it can still make it. waiting: tickets that wait already.
    """
    slack = SLACK * CROWD / max(waiting, CROWD)
    due = now + slack * alone_s + BULK_S * (1.0 - weight)
    return min(due, deadline - 2.0 * alone_s)


def values(line: WaitingLine[Payload], now: float) -> NDArray[np.float64]:
    """(N,): what each ticket of the line is worth."""
    dues_N = line.dues
    values_N: NDArray[np.float64] = line.alone * np.exp((dues_N.min() - dues_N) / URGENCY_S)
    if line.next_forlorn_s < now:
        values_N = np.where(line.deadlines - line.alone < now, _FORLORN * values_N, values_N)
    return values_N


def _tokens(entry: Entry[Payload]) -> int:
    return len(entry.tokens)


def _value(entry: Entry[Payload], earliest: float, now: float) -> float:
    """As `values`, of one ticket. earliest: when the first of all is due."""
    worth = entry.alone_s * math.exp((earliest - entry.due) / URGENCY_S)
    return _FORLORN * worth if entry.deadline - entry.alone_s < now else worth


def _sums(values_N: NDArray[np.float64], counts_NS: NDArray[np.int64]) -> NDArray[np.float64]:
    """(N, S): what the tickets of each batch are worth together."""
    sums = np.zeros(len(values_N) + 1)
    np.cumsum(values_N, out=sums[1:])
    stops_N = np.arange(1, len(sums))[:, None]
    values_NS: NDArray[np.float64] = sums[stops_N] - sums[stops_N - counts_NS]
    return values_NS


def sizes(max_batch: int) -> NDArray[np.int64]:
    """The batch sizes that are tried: 1, 2, 3, 4, 6, 8, 12, 16, 24, 32 ... and `max_batch`."""
    powers = [2**exponent for exponent in range(1, max_batch.bit_length() + 1)]
    sizes = {1, max_batch, *powers, *(power + power // 2 for power in powers)}
    return np.array(sorted(size for size in sizes if size <= max_batch), dtype=np.int64)
