"""Sessions that a test holds in its hand: one waits at a gate, one does what it is told."""

import asyncio
import threading
from collections.abc import Callable

import numpy as np

from service.contract.tasks import Task
from service.contract.tokens import IntArray, Tokens
from service.engine.answer import FloatArray
from service.engine.cost import Array, CostModel, Numbers
from service.engine.outputs import Outputs

TASK = Task(name="category", labels=("billing", "technical"))
PATIENCE_S = 30.0


def ticket(length: int, mark: int = 1) -> Tokens:
    """A ticket of `length` tokens, all of them `mark`, which shows in its answer."""
    return Tokens(np.full(length, mark, dtype=np.int64), truncated=False)


def expected(mark: int) -> FloatArray:
    """What the sessions here answer to `ticket(length, mark)`."""
    return np.array([mark / 1000.0, 1.0 - mark / 1000.0], dtype=np.float32)


def answer(ids_BL: IntArray) -> Outputs:
    """A probability that tells which ticket it belongs to."""
    return Outputs({TASK.name: np.stack([expected(int(row[0])) for row in ids_BL])})


def scoped_answer(ids_BL: IntArray) -> Outputs:
    """As `answer`, and beside it the mark itself as the scope score."""
    return Outputs(answer(ids_BL).probabilities, ids_BL[:, 0].astype(np.float32))


class Gate:
    """A session whose every call waits until the test lets it pass."""

    tasks = (TASK,)
    has_scope = True

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self._entered = threading.Semaphore(0)
        self._open = threading.Semaphore(0)

    def run(self, ids_BL: IntArray, mask_BL: IntArray) -> Outputs:
        """Notes the marks of the batch, then waits."""
        assert mask_BL.shape == ids_BL.shape
        return self.pass_ids(ids_BL)

    def pass_ids(self, ids_BL: IntArray) -> Outputs:
        """As `run`, for a script."""
        self.calls.append([int(row[0]) for row in ids_BL])
        self._entered.release()
        assert self._open.acquire(timeout=PATIENCE_S)
        return scoped_answer(ids_BL)

    async def entered(self) -> None:
        """Returns when one more call has come in."""
        assert await asyncio.to_thread(self._entered.acquire, timeout=PATIENCE_S)

    def let_pass(self, calls: int = 1) -> None:
        """Lets so many calls pass, now or later."""
        self._open.release(calls)


class Script:
    """A session whose calls do what the list says, one after the other; the last one for ever."""

    tasks = (TASK,)

    def __init__(self, *acts: Callable[[IntArray], Outputs], has_scope: bool = False) -> None:
        self._acts = list(acts)
        self.has_scope = has_scope

    def run(self, ids_BL: IntArray, mask_BL: IntArray) -> Outputs:
        """What the next act gives or raises."""
        assert mask_BL.shape == ids_BL.shape
        act = self._acts.pop(0) if len(self._acts) > 1 else self._acts[0]
        return act(ids_BL)


class FlatCost(CostModel):
    """Every call takes a millisecond, so all that fits goes together; it learns nothing."""

    def predict_s(self, batch: Numbers, length: Numbers) -> Array:
        """A millisecond in the shape that is asked for."""
        return np.full(np.broadcast_shapes(np.shape(batch), np.shape(length)), 0.001)

    def update(self, batch: int, length: int, seconds: float) -> None:
        """Forgets it."""


class Clock:
    """Seconds that pass only when the test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s
