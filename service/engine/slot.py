"""The arrays of one call come in; its outputs go out, through buffers that stay where they are.

Shapes: B batch, C classes of a task.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.engine.memory import Buffer, Memory
from service.engine.quiet import QUIET

Feeds = Mapping[str, NDArray[Any]]
FloatArray = NDArray[np.float32]
Width = tuple[str, int | None]
"""An output's name and its classes: it is (B, C) float32, or (B,) where they are None."""

Place = tuple[int, int, tuple[int, ...]]
"""Where an output's bytes begin and end, and its shape."""

_ALIGNED = 256
"""Bytes at whose multiples an array begins: what CUDA's own allocations keep to."""

_LEAST = 1 << 16


class Slot:
    """Inputs in one buffer, outputs in another: one copy each way, whatever the graph takes.

    Used by one thread at a time; several slots of one session may be in use at once, so that one's
    copies go on while another's call computes.
    """

    def __init__(
        self, native: Any, memory: Memory, outputs: Sequence[Width], options: Any = None
    ) -> None:
        """native: onnxruntime's session. options: of every call, as its `RunOptions`. With them
        every call is of the same shapes and is bound once.
        """
        self._native = native
        self._memory = memory
        self._outputs = outputs
        self._options = options
        self._binding = native.io_binding()
        self._places: list[Place] = []
        self._in, self._out = memory.allocate(_LEAST), memory.allocate(_LEAST)

    def run(self, feeds: Feeds, batch: int) -> list[FloatArray]:
        """Every output of a batch of so many tickets, in order; arrays of their own."""
        starts = self._feed(feeds)
        if self._options is None or not self._places:
            self._bind_inputs(feeds, starts)
            self._places = self._bind_outputs(batch)
        self._native.run_with_iobinding(self._binding, self._options)
        self._memory.to_host(self._out, self._places[-1][1])
        return [
            self._out.host[start:stop].view(np.float32).reshape(shape).copy()
            for start, stop, shape in self._places
        ]

    def _feed(self, feeds: Feeds) -> list[int]:
        starts, size = _places([array.nbytes for array in feeds.values()])
        self._in = self._room(self._in, size)
        for start, array in zip(starts, feeds.values(), strict=True):
            own = self._in.host[start : start + array.nbytes].view(array.dtype)
            own.reshape(array.shape)[...] = array
        self._memory.to_device(self._in, size)
        return starts

    def _bind_inputs(self, feeds: Feeds, starts: list[int]) -> None:
        # Bound anew for every call: an input that the graph wants elsewhere is copied by this.
        for start, (name, array) in zip(starts, feeds.items(), strict=True):
            self._binding.bind_input(
                name, *self._where, array.dtype.type, array.shape, self._in.address + start
            )

    def _bind_outputs(self, batch: int) -> list[Place]:
        shapes = [(batch,) if width is None else (batch, width) for _, width in self._outputs]
        sizes = [4 * batch * (width or 1) for _, width in self._outputs]
        starts, size = _places(sizes)
        self._out = self._room(self._out, size)
        for start, shape, (name, _) in zip(starts, shapes, self._outputs, strict=True):
            self._binding.bind_output(
                name, *self._where, np.float32, shape, self._out.address + start
            )
        return [
            (start, start + size, shape)
            for start, size, shape in zip(starts, sizes, shapes, strict=True)
        ]

    @property
    def _where(self) -> tuple[str, int]:
        return self._memory.provider, self._memory.device

    def _room(self, buffer: Buffer, size: int) -> Buffer:
        return buffer if size <= len(buffer.host) else self._new(size)

    def _new(self, size: int) -> Buffer:
        return self._memory.allocate(max(_LEAST, 1 << (size - 1).bit_length()))


class Slots:
    """As many slots as calls were ever under way at once; no more are needed, none is freed."""

    def __init__(self, make: Callable[[], Slot]) -> None:
        self._make = make
        self._free: list[Slot] = []

    def run(self, feeds: Feeds, batch: int) -> list[FloatArray]:
        """As `Slot.run`, from any thread. A slot whose call failed is dropped."""
        with QUIET.call():
            try:
                slot = self._free.pop()
            except IndexError:
                slot = self._make()
            arrays = slot.run(feeds, batch)
            self._free.append(slot)
        return arrays


def _places(sizes: Sequence[int]) -> tuple[list[int], int]:
    """Where arrays of these sizes begin, and how many bytes they take together."""
    starts, end = [], 0
    for size in sizes:
        starts.append(end)
        end += -(-size // _ALIGNED) * _ALIGNED
    return starts, end
