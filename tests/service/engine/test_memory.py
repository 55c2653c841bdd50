"""The few calls of NVIDIA's runtime, against one that keeps a GPU's memory in a dictionary."""

import ctypes
import gc

import pytest

from service.engine.memory import CudaMemory
from service.engine.trouble import DeviceLost, OutOfMemory


class Runtime:
    """`cudart` as far as it is called; its device's memory is host memory of another place."""

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}
        self.held: dict[int, ctypes.Array[ctypes.c_uint8]] = {}
        self.devices: list[int] = []
        self.synchronised = 0

    def cudaSetDevice(self, device: int) -> int:
        self.devices.append(device)
        return self.codes.get("cudaSetDevice", 0)

    def cudaStreamCreateWithFlags(self, stream: object, flags: int) -> int:
        assert flags == 1
        stream._obj.value = 77  # type: ignore[attr-defined]
        return 0

    def cudaMallocHost(self, pointer: object, size: ctypes.c_size_t) -> int:
        return self._allocate("cudaMallocHost", pointer, size)

    def cudaMalloc(self, pointer: object, size: ctypes.c_size_t) -> int:
        return self._allocate("cudaMalloc", pointer, size)

    def cudaFreeHost(self, pointer: ctypes.c_void_p) -> int:
        del self.held[pointer.value or 0]
        return 0

    cudaFree = cudaFreeHost

    def cudaStreamDestroy(self, stream: ctypes.c_void_p) -> int:
        assert stream.value == 77
        return 0

    def cudaMemcpyAsync(
        self,
        to: ctypes.c_void_p,
        source: ctypes.c_void_p,
        size: ctypes.c_size_t,
        way: int,
        stream: ctypes.c_void_p,
    ) -> int:
        assert (way in (1, 2), stream.value) == (True, 77)
        ctypes.memmove(to, source, size.value)
        return self.codes.get("cudaMemcpyAsync", 0)

    def cudaStreamSynchronize(self, stream: ctypes.c_void_p) -> int:
        assert stream.value == 77
        self.synchronised += 1
        return self.codes.get("cudaStreamSynchronize", 0)

    def _allocate(self, name: str, pointer: object, size: ctypes.c_size_t) -> int:
        if code := self.codes.get(name, 0):
            return code
        block = (ctypes.c_uint8 * size.value)()
        self.held[ctypes.addressof(block)] = block
        pointer._obj.value = ctypes.addressof(block)  # type: ignore[attr-defined]
        return 0


def _memory(device: int = 1) -> tuple[CudaMemory, Runtime]:
    runtime = Runtime()
    return CudaMemory(device, runtime), runtime  # type: ignore[arg-type]


def test_bytes_cross_to_the_device_and_back_and_are_there_when_the_copy_returns() -> None:
    memory, runtime = _memory()
    buffer = memory.allocate(1000)
    buffer.host[:] = 7
    assert len(buffer.host) == 1000
    there = runtime.held[buffer.address]
    memory.to_device(buffer, 600)
    assert bytes(there) == b"\x07" * 600 + b"\x00" * 400
    ctypes.memset(there, 9, 1000)
    memory.to_host(buffer, 300)
    assert buffer.host.tolist() == [9] * 300 + [7] * 700
    assert runtime.synchronised == 2


def test_every_call_is_made_on_its_own_device() -> None:
    memory, runtime = _memory(3)
    memory.to_device(memory.allocate(8), 8)
    assert set(runtime.devices) == {3}


def test_what_nobody_holds_is_freed_on_both_sides() -> None:
    memory, runtime = _memory()
    kept = memory.allocate(64)
    for _ in range(10):
        memory.allocate(64)
    gc.collect()
    assert len(runtime.held) == 2
    del kept
    gc.collect()
    assert runtime.held == {}


@pytest.mark.parametrize(
    ("name", "code", "kind"),
    [
        ("cudaMalloc", 2, OutOfMemory),
        ("cudaMallocHost", 2, OutOfMemory),
        ("cudaMemcpyAsync", 700, DeviceLost),
        ("cudaStreamSynchronize", 719, DeviceLost),
        ("cudaSetDevice", 100, DeviceLost),
    ],
)
def test_a_failure_is_named_by_its_kind(name: str, code: int, kind: type[Exception]) -> None:
    memory, runtime = _memory()
    runtime.codes[name] = code
    with pytest.raises(kind, match=f"CUDA failure {code}"):
        memory.to_device(memory.allocate(8), 8)
    gc.collect()
    assert runtime.held == {}
