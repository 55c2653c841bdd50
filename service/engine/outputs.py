"""What a graph said to one batch: checked as a whole, then taken apart by ticket.

Shapes: B batch, C classes of a task.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from service.contract.tasks import Task
from service.engine.answer import FloatArray
from service.errors import InferenceFailed


@dataclass(frozen=True, slots=True)
class Outputs:
    """For each task the calibrated probabilities (B, C), float32.

    scope_B: how unlike its training each ticket is, (B,) float32; None where the graph has no
    such output.
    """

    probabilities: Mapping[str, FloatArray]
    scope_B: FloatArray | None = None

    def check(self, tasks: Sequence[Task], batch: int, *, has_scope: bool) -> None:
        """Raises InferenceFailed unless every task's array is (batch, C), the scope is (batch,)
        where the graph gives one, and all is finite.
        """
        for task in tasks:
            if task.name not in self.probabilities:
                raise InferenceFailed(f"the graph gave no answer for task {task.name}")
            wanted = batch, task.classes
            _check(f"task {task.name}", self.probabilities[task.name], wanted)
        if has_scope:
            if self.scope_B is None:
                raise InferenceFailed("the graph gave no scope score")
            _check("the scope score", self.scope_B, (batch,))


def _check(name: str, array: FloatArray, wanted: tuple[int, ...]) -> None:
    if array.shape != wanted:
        raise InferenceFailed(f"{name} must have shape {wanted}, found {array.shape}")
    if not np.isfinite(array).all():
        raise InferenceFailed(f"{name} has a value that is not finite")
