"""A provider comes in; how onnxruntime is told of it, and what its failures mean, goes out."""

import ctypes
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.engine.device import Device
from service.engine.trouble import trouble
from service.errors import InferenceFailed, ProviderMissing

NAMES: dict[Device, str] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


@dataclass(frozen=True, slots=True)
class Cuda:
    """How a graph is opened on CUDA.

    memory_mb: upper limit of the arena, in MiB. device: number of the GPU. replays: whether small
    padded batches are to be replayed as CUDA graphs.
    """

    memory_mb: int = 4096
    device: int = 0
    replays: bool = False


def check_provider(found: Sequence[str], wanted: Device) -> None:
    """Raises ProviderMissing where a session did not open on the provider that was asked for.

    The runtime itself says nothing then: it opens on the CPU.
    """
    if not found or found[0] != NAMES[wanted]:
        raise ProviderMissing(f"{NAMES[wanted]} was asked for, onnxruntime opened {list(found)}")


def load(libraries: Iterable[Path]) -> None:
    """Loads shared libraries for all that follow. Raises ProviderMissing naming the first fault."""
    for library in libraries:
        try:
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            raise ProviderMissing(
                f"onnxruntime's CUDA provider does not load: {error}; "
                "the extra `cuda` brings NVIDIA's libraries"
            ) from error


def providers_of(provider: Device, cuda: Cuda) -> list[Any]:
    """The providers to open a session on, with their options."""
    if provider == "cpu":
        return [NAMES["cpu"]]
    options = {
        "device_id": str(cuda.device),
        # The default doubles the arena with every new shape.
        "arena_extend_strategy": "kSameAsRequested",
        "gpu_mem_limit": str(cuda.memory_mb * 1024 * 1024),
        # TF32 keeps ten bits of mantissa: probabilities would leave the golden tolerance.
        "use_tf32": "0",
        "enable_cuda_graph": str(int(cuda.replays)),
    }
    return [(NAMES["cuda"], options), NAMES["cpu"]]


def open_error(
    graph: Path, provider: Device, error: Exception
) -> ProviderMissing | InferenceFailed:
    """What a failure to open says, as a type that callers know."""
    if provider == "cuda" and "CUDA" in str(error):
        return ProviderMissing(f"CUDA does not start: {_first_line(error)}")
    return InferenceFailed(f"{graph.name} does not load: {_first_line(error)}")


def call_error(error: Exception) -> InferenceFailed:
    """What a call's failure says about the device, as one type that callers know."""
    return trouble(str(error))(f"the graph failed: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
