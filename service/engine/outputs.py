"""What a graph said to one batch: checked as a whole, then taken apart by ticket.

Shapes: B batch, C classes of a task.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from service.contract.tasks import Task
from service.engine.answer import FloatArray
from service.engine.device import Device
from service.errors import InferenceFailed

_FEW = 32
"""Up to so many numbers, such as one ticket's, Python looks through faster than numpy does."""


@dataclass(slots=True)
class Outputs:
    """For each task the calibrated probabilities (B, C), float32.

    scope_B: how unlike its training each ticket is, (B,) float32; None where the graph has no
    such output. provider: where it was computed; `cpu` where a part of it was. degraded: not where
    it was meant to be. calls: of the graph that it took; more than one only after trouble with the
    device. tokens: that were computed on, where the session laid the tickets out anew.
    """

    probabilities: Mapping[str, FloatArray]
    scope_B: FloatArray | None = None
    provider: Device = "cpu"
    degraded: bool = False
    calls: int = 1
    tokens: int | None = None

    @classmethod
    def join(cls, parts: Sequence[Self], calls: int) -> Self:
        """The answers of one batch's parts, in their order; at least one."""
        first = parts[0]
        return cls(
            {
                name: np.concatenate([part.probabilities[name] for part in parts])
                for name in first.probabilities
            },
            None
            if first.scope_B is None
            else np.concatenate([part.scope_B for part in parts if part.scope_B is not None]),
            "cpu" if any(part.provider == "cpu" for part in parts) else first.provider,
            any(part.degraded for part in parts),
            calls,
        )

    def check(self, tasks: Sequence[Task], batch: int, *, has_scope: bool) -> None:
        """Raises InferenceFailed unless every task's array is (batch, C), the scope is (batch,)
        where the graph gives one, and all is finite.
        """
        for task in tasks:
            array_BC = self.probabilities.get(task.name)
            if array_BC is None:
                raise InferenceFailed(f"the graph gave no answer for task {task.name}")
            if fault := _fault(array_BC, (batch, task.classes)):
                raise InferenceFailed(f"task {task.name} {fault}")
        if has_scope:
            if self.scope_B is None:
                raise InferenceFailed("the graph gave no scope score")
            if fault := _fault(self.scope_B, (batch,)):
                raise InferenceFailed(f"the scope score {fault}")


def _fault(array: FloatArray, wanted: tuple[int, ...]) -> str | None:
    if array.shape != wanted:
        return f"must have shape {wanted}, found {array.shape}"
    return None if _is_finite(array) else "has a value that is not finite"


def _is_finite(array: FloatArray) -> bool:
    if array.size > _FEW:
        return bool(np.isfinite(array).all())
    return all(map(math.isfinite, array.ravel().tolist()))
