"""Bytes are asked for; a buffer that both the host and the device can reach goes out."""

import ctypes
import logging
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.engine.device import Device
from service.engine.trouble import trouble
from service.errors import InferenceFailed, ProviderMissing

logger = logging.getLogger(__name__)

_RUNTIMES = ("libcudart.so.13", "libcudart.so.12")
_TO_DEVICE, _TO_HOST = 1, 2
_NON_BLOCKING = 1

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Buffer:
    """host: what Python reads and writes, (size,) uint8. address: the same bytes' place on the
    device, where the device has memory of its own after a copy.
    """

    host: Bytes
    address: int


class Memory(Protocol):
    """Where a session's inputs and outputs lie; `device` is the number of a GPU."""

    provider: Device
    device: int

    def allocate(self, size: int) -> Buffer:
        """A buffer of `size` bytes, freed when nobody holds it. Raises InferenceFailed."""
        ...

    def to_device(self, buffer: Buffer, size: int) -> None:
        """Returns once the first `size` bytes are on the device. Raises InferenceFailed."""
        ...

    def to_host(self, buffer: Buffer, size: int) -> None:
        """Returns once the first `size` bytes are on the host. Raises InferenceFailed."""
        ...


class HostMemory:
    """A CPU reaches what the host does: nothing is copied."""

    provider: Device = "cpu"
    device = 0

    def allocate(self, size: int) -> Buffer:
        """As `Memory`."""
        host = np.zeros(size, dtype=np.uint8)
        return Buffer(host, host.ctypes.data)

    def to_device(self, buffer: Buffer, size: int) -> None:
        """Nothing is to be done."""

    def to_host(self, buffer: Buffer, size: int) -> None:
        """Nothing is to be done."""


class CudaMemory:
    """Pinned memory on the host and as much on one GPU, with a stream of its own for the copies:
    they go on while the session computes on its stream.
    """

    provider: Device = "cuda"

    def __init__(self, device: int, runtime: ctypes.CDLL | None = None) -> None:
        """runtime: NVIDIA's, by default the one that onnxruntime has loaded."""
        self.device = device
        self._cuda = runtime or _runtime()
        self._stream = ctypes.c_void_p()
        self._call("cudaStreamCreateWithFlags", ctypes.byref(self._stream), _NON_BLOCKING)
        _when_gone(self, self._cuda.cudaStreamDestroy, self._stream)

    def allocate(self, size: int) -> Buffer:
        """As `Memory`."""
        pinned, there = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cudaMallocHost", ctypes.byref(pinned), ctypes.c_size_t(size))
        try:
            self._call("cudaMalloc", ctypes.byref(there), ctypes.c_size_t(size))
        except InferenceFailed:
            self._cuda.cudaFreeHost(pinned)
            raise
        bytes_ = (ctypes.c_uint8 * size).from_address(pinned.value or 0)
        buffer = Buffer(np.ctypeslib.as_array(bytes_), there.value or 0)
        _when_gone(buffer, self._cuda.cudaFreeHost, pinned)
        _when_gone(buffer, self._cuda.cudaFree, there)
        return buffer

    def to_device(self, buffer: Buffer, size: int) -> None:
        """As `Memory`."""
        self._copy(buffer.address, buffer.host.ctypes.data, size, _TO_DEVICE)

    def to_host(self, buffer: Buffer, size: int) -> None:
        """As `Memory`."""
        self._copy(buffer.host.ctypes.data, buffer.address, size, _TO_HOST)

    def _copy(self, to: int, source: int, size: int, way: int) -> None:
        to_, from_ = ctypes.c_void_p(to), ctypes.c_void_p(source)
        self._call("cudaMemcpyAsync", to_, from_, ctypes.c_size_t(size), way, self._stream)
        self._call("cudaStreamSynchronize", self._stream)

    def _call(self, name: str, *arguments: object) -> None:
        # The device is the calling thread's, and a worker serves whichever comes.
        for function, values in (
            (self._cuda.cudaSetDevice, (self.device,)),
            (self._of(name), arguments),
        ):
            if code := function(*values):
                said = f"CUDA failure {code}: {name} failed on device {self.device}"
                raise trouble(said)(said)

    def _of(self, name: str) -> Callable[..., int]:
        function: Callable[..., int] = getattr(self._cuda, name)
        return function


def memory_of(provider: Device, device: int) -> Memory | None:
    """Of a session on a GPU; None on the CPU, and where none is to be had: the runtime then brings
    its own, which is slower.
    """
    if provider == "cpu":
        return None
    try:
        return CudaMemory(device)
    except (InferenceFailed, ProviderMissing) as error:
        logger.warning("calls do without pinned buffers: %s", error)
        return None


def _when_gone(owner: object, free: Callable[..., object], what: ctypes.c_void_p) -> None:
    # At the end of the process the driver frees it all, in its own order.
    weakref.finalize(owner, free, what).atexit = False


def _runtime() -> ctypes.CDLL:
    """NVIDIA's, of the version that is loaded already. Raises ProviderMissing."""
    for name in _RUNTIMES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise ProviderMissing(f"CUDA does not start: none of {', '.join(_RUNTIMES)} is loaded")
