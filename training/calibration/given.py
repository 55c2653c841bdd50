"""A task's probabilities and labels, and a promise, come in; which label each ticket is given, how
surely, whether rightly and at what cost, go out.

Shapes: N labelled tickets, C labels, K distinct confidences.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from service.contract.promises import Costs
from service.contract.tasks import Task
from service.statistics.choice import choose, confidences
from service.statistics.sequence import fixed_sequence
from training.calibration.evidence import BoolArray
from training.calibration.fit import FloatArray, IntArray
from training.calibration.promises import TaskPromise


@dataclass(frozen=True)
class Given:
    """Which label each ticket is given, how surely, and whether rightly.

    inside_N: in scope; the others are never `auto`.
    """

    task: Task
    probabilities_NC: FloatArray
    labels_N: IntArray
    promise: TaskPromise
    level: float
    inside_N: BoolArray

    @cached_property
    def costs(self) -> Costs | None:
        return self.promise.costs_of(self.task)

    @cached_property
    def chosen_N(self) -> IntArray:
        return choose(self.probabilities_NC, self.costs, self.promise.choose)

    @cached_property
    def confidence_N(self) -> FloatArray:
        return confidences(self.probabilities_NC, self.chosen_N)

    @cached_property
    def right_N(self) -> BoolArray:
        return np.asarray(self.chosen_N == self.labels_N)

    @cached_property
    def cost_N(self) -> FloatArray:
        """What each ticket costs if its label is applied; nothing where no costs are known."""
        if self.costs is None:
            return np.zeros(len(self.labels_N))
        return np.array(self.costs.matrix)[self.labels_N, self.chosen_N]

    def from_each(
        self, amount_N: FloatArray | BoolArray, some_N: BoolArray | None = None
    ) -> tuple[FloatArray, IntArray, FloatArray]:
        """Of those of these tickets that are in scope: distinct confidences (K,), highest first;
        the tickets from each on; their sum of `amount`. some_N: None for all.
        """
        asked_N = self.inside_N if some_N is None else some_N & self.inside_N
        distinct_K, place_N = np.unique(-self.confidence_N[asked_N], return_inverse=True)
        count_K = np.bincount(place_N)
        sum_K = np.bincount(place_N, weights=amount_N[asked_N])
        return -distinct_K, np.cumsum(count_K), np.cumsum(sum_K)

    def shown(self, some_N: BoolArray, target: float, level: float) -> float | None:
        """The lowest threshold at which those of these tickets in scope show the precision."""
        asked_N = some_N & self.inside_N
        return fixed_sequence(self.confidence_N[asked_N], self.right_N[asked_N], target, level)
