"""A small padded batch comes in; its answer goes out of a call that was recorded once.

Shapes: B batch, L padded length.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from service.contract.tokens import IntArray
from service.engine.quiet import QUIET
from service.engine.slot import Feeds, FloatArray, Slot
from service.errors import InferenceFailed

logger = logging.getLogger(__name__)

BATCHES = (1, 2, 4)
LENGTHS = (16, 32, 64, 128)

_RUNS = 3
"""The runtime allocates in the first call of a shape and records a later one."""

_GAP = 1e-3
"""By how much a replay may differ from the call that it stands for, in half precision."""

Names = tuple[str, str]
"""Of the inputs: ids, and mask."""


class Replays:
    """CUDA graphs for a grid of shapes: at light load, launching a graph's kernels one by one takes
    longer than computing them.

    A recording reads and writes fixed addresses, so each shape has a slot of its own; it belongs to
    the thread that made it, so all of them are made and replayed on one. A batch is padded to the
    next shape of the grid; where there is none, or while another replay is under way, the caller
    does without.
    """

    def __init__(self, make: Callable[[int], Slot], names: Names, limit: int) -> None:
        """make: a slot whose calls are recorded under this number. limit: tokens of a ticket."""
        lengths = [length for length in LENGTHS if length <= limit]
        self._shapes = [(batch, length) for batch in BATCHES for length in lengths]
        self._make = make
        self._names = names
        self._slots: dict[tuple[int, int], Slot] = {}
        self._busy = threading.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="harbor-replays")

    def record(self, compute: Callable[[Feeds, int], Sequence[FloatArray]]) -> None:
        """Records every shape, the largest first, and compares each with `compute`, the same call
        without a recording. Where that fails it goes on without any, and the log says so.
        """
        try:
            for number, shape in enumerate(reversed(self._shapes), start=1):
                self._thread.submit(self._record, number, shape).result()
                self._prove(shape, compute)
        except Exception as error:
            logger.warning("no call will be replayed: %s", error)
            self._slots.clear()

    def run(self, ids_BL: IntArray, mask_BL: IntArray) -> list[FloatArray] | None:
        """The outputs of a batch; None where it is not to be had here."""
        shape = self._shape(*ids_BL.shape)
        if shape is None or not self._busy.acquire(blocking=False):
            return None
        try:
            return self._thread.submit(self._replay, shape, ids_BL, mask_BL).result()
        finally:
            self._busy.release()

    def _shape(self, batch: int, length: int) -> tuple[int, int] | None:
        fitting = (one for one in self._shapes if one[0] >= batch and one[1] >= length)
        return next((one for one in fitting if one in self._slots), None)

    def _record(self, number: int, shape: tuple[int, int]) -> None:
        ones_BL = np.ones(shape, dtype=np.int64)
        with QUIET.recording():
            slot = self._make(number)
            for _ in range(_RUNS):
                slot.run(self._feeds(ones_BL, ones_BL), shape[0])
        self._slots[shape] = slot

    def _replay(
        self, shape: tuple[int, int], ids_BL: IntArray, mask_BL: IntArray
    ) -> list[FloatArray]:
        batch, length = ids_BL.shape
        wide_ids_BL, wide_mask_BL = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        # A row without a single token would divide by zero.
        wide_mask_BL[batch:, 0] = 1
        wide_ids_BL[:batch, :length], wide_mask_BL[:batch, :length] = ids_BL, mask_BL
        with QUIET.call():
            arrays = self._slots[shape].run(self._feeds(wide_ids_BL, wide_mask_BL), shape[0])
        return [array[:batch] for array in arrays]

    def _prove(
        self, shape: tuple[int, int], compute: Callable[[Feeds, int], Sequence[FloatArray]]
    ) -> None:
        random = np.random.default_rng(0)
        for _ in range(2):
            ids_BL = random.integers(1, 100, size=shape, dtype=np.int64)
            mask_BL = (np.arange(shape[1]) < random.integers(1, shape[1] + 1)).astype(np.int64)
            mask_BL = np.broadcast_to(mask_BL, shape).copy()
            found, wanted = (
                self.run(ids_BL, mask_BL),
                compute(self._feeds(ids_BL, mask_BL), shape[0]),
            )
            if found is None or not all(map(_close, found, wanted)):
                raise InferenceFailed(f"a replay of shape {shape} answers something else")

    def _feeds(self, ids_BL: IntArray, mask_BL: IntArray) -> Feeds:
        return dict(zip(self._names, (ids_BL, mask_BL), strict=True))


def _close(found: FloatArray, wanted: FloatArray) -> bool:
    return bool(np.allclose(found, wanted, rtol=_GAP, atol=_GAP))
