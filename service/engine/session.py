"""A padded batch comes in, what the graph says goes out; only this file knows onnxruntime.

Shapes: B batch, L padded length, C classes of a task.
"""

import contextlib
import ctypes
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from service.contract.tasks import Task
from service.contract.tokens import IntArray
from service.engine.device import Device
from service.engine.outputs import Outputs
from service.errors import InferenceFailed, ProviderMissing

FloatArray = NDArray[np.float32]

IDS, MASK = "input_ids", "attention_mask"
SCOPE = "scope_score"
_NAMES: dict[Device, str] = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_ERRORS_ONLY = 3

# Nothing about a desk's traffic leaves the process, and no device id is written to disk.
onnxruntime.disable_telemetry_events()


class Session:
    """One graph on one provider.

    `run` may be called from several threads at once: each call then computes on its caller's
    thread.
    """

    def __init__(
        self, native: onnxruntime.InferenceSession, tasks: tuple[Task, ...], provider: Device
    ) -> None:
        self._native = native
        self.tasks = tasks
        self.provider = provider
        self.inputs = tuple(entry.name for entry in native.get_inputs())
        self.outputs = tuple(entry.name for entry in native.get_outputs())
        self.has_scope = SCOPE in self.outputs
        names = [f"{task.name}_probabilities" for task in tasks]
        self._wanted = [*names, SCOPE] if self.has_scope else names
        self.metadata: dict[str, str] = dict(native.get_modelmeta().custom_metadata_map)

    @classmethod
    def open(
        cls,
        graph: Path,
        tasks: tuple[Task, ...],
        provider: Device,
        threads: int,
        cuda_memory_mb: int = 4096,
    ) -> Self:
        """Loads a graph on exactly the provider that was asked for.

        threads: of one call on the CPU. cuda_memory_mb: upper limit of the CUDA arena, in MiB.
        Raises ProviderMissing where CUDA was asked for and is not to be had, InferenceFailed where
        the graph does not load.
        """
        if provider == "cuda":
            check_cuda()
        try:
            native = onnxruntime.InferenceSession(
                str(graph),
                _options(threads),
                providers=_providers(provider, cuda_memory_mb),
                enable_fallback=0,
            )
        except Exception as error:  # The runtime raises a dozen types that share no base.
            raise _open_error(graph, provider, error) from error
        check_provider(native.get_providers(), provider)
        return cls(native, tasks, provider)

    def run(self, ids_BL: IntArray, mask_BL: IntArray) -> Outputs:
        """Calibrated probabilities, for each task (B, C), and the scope score (B,) where the graph
        gives one; all float32. Raises InferenceFailed.
        """
        arrays = self._arrays(ids_BL, mask_BL, self._wanted)
        scope_B = arrays.pop() if self.has_scope else None
        return Outputs(self._by_task(arrays), scope_B)

    def logits(self, ids_BL: IntArray, mask_BL: IntArray) -> dict[str, FloatArray]:
        """Raw logits, before scale and bias, for each task (B, C). Raises InferenceFailed."""
        names = [f"{task.name}_logits" for task in self.tasks]
        return self._by_task(self._arrays(ids_BL, mask_BL, names))

    def raw(
        self, ids_BL: IntArray, mask_BL: IntArray
    ) -> tuple[dict[str, FloatArray], FloatArray | None]:
        """Raw logits as `logits` gives them and, where the graph has one, the scope score (B,), of
        one pass. Raises InferenceFailed.
        """
        names = [f"{task.name}_logits" for task in self.tasks]
        arrays = self._arrays(ids_BL, mask_BL, [*names, SCOPE] if self.has_scope else names)
        scope_B = arrays.pop() if self.has_scope else None
        return self._by_task(arrays), scope_B

    def signature(self) -> dict[str, tuple[str, tuple[int | str | None, ...]]]:
        """Every input's and output's type, and its shape with names or None where it is free."""
        entries = [*self._native.get_inputs(), *self._native.get_outputs()]
        return {entry.name: (entry.type, tuple(entry.shape)) for entry in entries}

    def _by_task(self, arrays: Sequence[FloatArray]) -> dict[str, FloatArray]:
        return {task.name: array for task, array in zip(self.tasks, arrays, strict=True)}

    def _arrays(
        self, ids_BL: IntArray, mask_BL: IntArray, names: Sequence[str]
    ) -> list[FloatArray]:
        """The named outputs, in that order."""
        try:
            arrays: list[FloatArray] = self._native.run(names, {IDS: ids_BL, MASK: mask_BL})
        except Exception as error:  # As in `open`: no common base, and a caller needs one type.
            raise InferenceFailed(f"the graph failed: {_first_line(error)}") from error
        return arrays


def check_cuda() -> None:
    """Makes NVIDIA's libraries loadable, then loads onnxruntime's CUDA provider.

    Raises ProviderMissing that names what is missing: the CUDA build, or the shared library.
    """
    if _NAMES["cuda"] not in onnxruntime.get_available_providers():
        raise ProviderMissing(
            "this onnxruntime is built without CUDA; the package onnxruntime-gpu has it"
        )
    with contextlib.redirect_stdout(io.StringIO()):  # It prints what it does not find.
        onnxruntime.preload_dlls()
    _load(_provider_libraries())


def check_provider(found: Sequence[str], wanted: Device) -> None:
    """Raises ProviderMissing where a session did not open on the provider that was asked for.

    The runtime itself says nothing then: it opens on the CPU.
    """
    if not found or found[0] != _NAMES[wanted]:
        raise ProviderMissing(f"{_NAMES[wanted]} was asked for, onnxruntime opened {list(found)}")


def _load(libraries: Iterable[Path]) -> None:
    for library in libraries:
        try:
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            raise ProviderMissing(
                f"onnxruntime's CUDA provider does not load: {error}; "
                "the extra `cuda` brings NVIDIA's libraries"
            ) from error


def _provider_libraries() -> list[Path]:
    folder = Path(onnxruntime.__file__).parent / "capi"
    return [folder / f"libonnxruntime_providers_{name}.so" for name in ("shared", "cuda")]


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _ERRORS_ONLY
    # It keeps a plan for every shape ever seen: without a bound where batch and length are free.
    options.enable_mem_pattern = False
    # A waiting thread that spins takes a core from the sessions beside it.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _providers(provider: Device, cuda_memory_mb: int) -> list[Any]:
    if provider == "cpu":
        return [_NAMES["cpu"]]
    cuda = {
        # The default doubles the arena with every new shape.
        "arena_extend_strategy": "kSameAsRequested",
        "gpu_mem_limit": str(cuda_memory_mb * 1024 * 1024),
        # TF32 keeps ten bits of mantissa: probabilities would leave the golden tolerance.
        "use_tf32": "0",
    }
    return [(_NAMES["cuda"], cuda), _NAMES["cpu"]]


def _open_error(
    graph: Path, provider: Device, error: Exception
) -> ProviderMissing | InferenceFailed:
    if provider == "cuda" and "CUDA" in str(error):
        return ProviderMissing(f"CUDA does not start: {_first_line(error)}")
    return InferenceFailed(f"{graph.name} does not load: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]
