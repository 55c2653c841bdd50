"""A session on a device that fails on command: out of memory, or lost."""

import threading
from collections.abc import Callable
from dataclasses import replace

from service.contract.tokens import IntArray
from service.engine.layout import Flat
from service.engine.outputs import Outputs
from service.engine.trouble import DeviceLost, OutOfMemory
from tests.service.engine.sessions import PATIENCE_S, TASK, answer


class Faulty:
    """Answers as `sessions.answer` does, from a GPU, and notes the shape of every call.

    most: tickets that fit into its memory.
    """

    tasks = (TASK,)
    has_scope = False

    def __init__(self, most: int = 10**6) -> None:
        self.most = most
        self.dead = False
        self.calls: list[tuple[int, ...]] = []

    def run(self, ids_BL: IntArray, mask_BL: IntArray) -> Outputs:
        """Raises DeviceLost while it is dead, OutOfMemory where the batch is too large."""
        assert mask_BL.shape == ids_BL.shape
        return self._run(ids_BL, ids_BL.shape)

    def run_ragged(self, flat: Flat) -> Outputs:
        """As `run`."""
        return self._run(flat.ids_T[flat.ends_E[:-1]][:, None], (len(flat), flat.tokens))

    def _run(self, ids_BL: IntArray, shape: tuple[int, ...]) -> Outputs:
        self.calls.append(shape)
        if self.dead:
            raise DeviceLost("CUDA failure 719: unspecified launch failure")
        if len(ids_BL) > self.most:
            raise OutOfMemory("Failed to allocate memory for requested buffer")
        return replace(answer(ids_BL), provider="cuda")


class Cpu:
    """The session that stands in."""

    tasks = (TASK,)
    has_scope = False

    def __init__(self) -> None:
        self.calls: list[tuple[int, ...]] = []

    def run(self, ids_BL: IntArray, mask_BL: IntArray) -> Outputs:
        """Answers as `sessions.answer` does."""
        assert mask_BL.shape == ids_BL.shape
        self.calls.append(ids_BL.shape)
        return answer(ids_BL)


class Door:
    """A way to open a session that fails as often as it is told, and waits while it is shut."""

    def __init__(self, opens: Callable[[], object], failures: int = 0) -> None:
        self._opens = opens
        self._failures = failures
        self.tries = 0
        self.tried = threading.Semaphore(0)
        self.shut = threading.Event()
        self.shut.set()

    def __call__(self) -> object:
        """The session, or the failure."""
        self.tries += 1
        self.tried.release()
        assert self.shut.wait(PATIENCE_S)
        if self.tries <= self._failures:
            raise DeviceLost("the device is not there")
        return self._opens()

    def hold(self) -> None:
        """From now on openings wait."""
        self.shut.clear()

    def release(self) -> None:
        """Lets them go on."""
        self.shut.set()
