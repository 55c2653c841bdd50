"""Tickets that wait come in; which go next end to end, without padding, and why, goes out.

Shapes: N waiting tickets, S batches that are tried.
"""

from typing import Generic

import numpy as np

from service.engine.answer import Released
from service.engine.choice import Choice, Limits, sizes, values
from service.engine.cost import CostModel
from service.engine.waiting import Payload, WaitingLine


class RaggedChooser(Generic[Payload]):
    """Without padding tickets need no like lengths to share a batch, so those that were due first
    go: of these the number is chosen whose worth a second is the greatest (see `Chooser`).

    The cost model takes such a batch for one of as many tickets of their mean length, so that it
    counts real tokens.
    """

    def __init__(self, limits: Limits, cost: CostModel) -> None:
        self._limits = limits
        self._cost = cost
        self._sizes_S = sizes(limits.max_batch)

    def choose(self, line: WaitingLine[Payload], now: float, share: int) -> Choice:
        """The best batch of a line that is not empty. share: tickets that it may hold at most."""
        if len(line) == 1:
            return Choice(range(1), line.shortest.alone_s, "emptied")
        order_N = np.argsort(line.dues, kind="stable")
        tokens_N = np.cumsum(line.lengths[order_N])
        worth_N = np.cumsum(values(line, now)[order_N])
        fitting = int(np.searchsorted(tokens_N, self._limits.budget_tokens, side="right"))
        most = max(1, min(fitting, share, self._limits.max_batch))
        counts_S = np.unique(np.minimum(self._sizes_S, most))
        tokens_S = tokens_N[counts_S - 1]
        predicted_S = self._cost.predict_s(counts_S, tokens_S / counts_S)
        best = int(np.argmax(worth_N[counts_S - 1] / predicted_S))
        count = int(counts_S[best])
        full = count == self._limits.max_batch or count == fitting
        released: Released = "emptied" if count == len(line) else "full" if full else "best"
        return Choice(order_N[:count].tolist(), float(predicted_S[best]), released)
