"""A batch's arrays come in, what the graph says goes out; only this file knows onnxruntime.

Shapes: B batch, L padded length, C classes of a task.
"""

import contextlib
import io
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self, TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from service.contract.tasks import Task
from service.contract.tokens import IntArray
from service.engine.bound import Bound, failure_of
from service.engine.cuda import (
    NAMES,
    Cuda,
    check_provider,
    load,
    open_error,
    providers_of,
)
from service.engine.device import Device
from service.engine.layout import Flat
from service.engine.memory import HostMemory, Memory, memory_of
from service.engine.outputs import Outputs
from service.engine.replays import LENGTHS, Replays
from service.engine.slot import Feeds, Slot, Slots, Width
from service.engine.trouble import DeviceLost
from service.errors import ProviderMissing

__all__ = ["IDS", "MASK", "RAGGED", "SCOPE", "Cuda", "FloatArray", "Session", "check_cuda"]

logger = logging.getLogger(__name__)

FloatArray = NDArray[np.float32]
Native: TypeAlias = onnxruntime.InferenceSession

IDS, MASK = "input_ids", "attention_mask"
POSITIONS, ENDS, OFFSETS = "position_ids", "cu_seqlens", "token_offset"
RAGGED = (IDS, POSITIONS, ENDS)
"""What every ragged graph takes; one with packed attention takes `token_offset`, too."""

SCOPE = "scope_score"
_ERRORS_ONLY = 3

# Nothing about a desk's traffic leaves the process, and no device id is written to disk.
onnxruntime.disable_telemetry_events()


class Session:
    """One graph on one provider.

    `run` and `run_ragged` may be called from several threads at once; each computes on its own.
    """

    def __init__(
        self,
        native: Native,
        tasks: tuple[Task, ...],
        provider: Device,
        memory: Memory | None = None,
    ) -> None:
        """memory: where the inputs and outputs of `run` lie; None leaves it to the runtime."""
        self._native = native
        self._memory = memory
        self.tasks = tasks
        self.provider = provider
        self.inputs = tuple(entry.name for entry in native.get_inputs())
        self.outputs = tuple(entry.name for entry in native.get_outputs())
        self.has_scope = SCOPE in self.outputs
        names = [f"{task.name}_probabilities" for task in tasks]
        self._wanted = [*names, SCOPE] if self.has_scope else names
        self.metadata: dict[str, str] = dict(native.get_modelmeta().custom_metadata_map)
        slots = None if memory is None else Slots(lambda: self._slot(native, memory))
        self._bound = Bound(slots, lambda feeds: self._arrays(feeds, self._wanted))
        self._replays: Replays | None = None

    @classmethod
    def open(
        cls,
        graph: Path,
        tasks: tuple[Task, ...],
        provider: Device,
        threads: int,
        cuda: Cuda = Cuda(),  # noqa: B008 - frozen
    ) -> Self:
        """Loads a graph on exactly the provider that was asked for.

        threads: of one call on the CPU. Raises ProviderMissing where CUDA was asked for and is not
        to be had, InferenceFailed where the graph does not load.
        """
        plain = open_native(graph, provider, threads, replace(cuda, replays=False))
        memory = memory_of(provider, cuda.device)
        session = cls(plain, tasks, provider, memory)
        if cuda.replays and memory is not None and MASK in session.inputs:
            session.replay(open_native(graph, provider, threads, cuda))
        return session

    def replay(self, native: Native) -> None:
        """From now on small padded batches are replayed as recorded calls of `native`, the same
        graph; where they cannot be recorded, all goes on as before.
        """
        memory = self._memory or HostMemory()
        limit = int(self.metadata.get("harbor.token_limit", LENGTHS[-1]))
        replays = Replays(
            lambda number: self._slot(native, memory, call_options(number)), (IDS, MASK), limit
        )
        replays.record(self._bound.run)
        self._replays = replays

    def run(self, ids_BL: IntArray, mask_BL: IntArray) -> Outputs:
        """Calibrated probabilities, for each task (B, C), and the scope score (B,) where the graph
        gives one; all float32. Raises InferenceFailed, and of its kinds OutOfMemory and DeviceLost.
        """
        arrays = self._replayed(ids_BL, mask_BL)
        return self._answer(arrays or self._bound.run({IDS: ids_BL, MASK: mask_BL}, len(ids_BL)))

    def _replayed(self, ids_BL: IntArray, mask_BL: IntArray) -> list[FloatArray] | None:
        """None where this call is not one that is replayed, or replaying does not work."""
        try:
            return None if self._replays is None else self._replays.run(ids_BL, mask_BL)
        except Exception as error:
            failed = failure_of(error)
            if isinstance(failed, DeviceLost):
                raise failed from error
            logger.warning("from now on no call is replayed: %s", failed)
            self._replays = None
            return None

    def run_ragged(self, flat: Flat) -> Outputs:
        """As `run`, of a graph that takes tickets end to end."""
        return self._answer(self._bound.run(self.ragged_feeds(flat), len(flat)))

    def logits(self, ids_BL: IntArray, mask_BL: IntArray) -> dict[str, FloatArray]:
        """Raw logits, before scale and bias, for each task (B, C). Raises InferenceFailed."""
        return self.raw(ids_BL, mask_BL)[0]

    def raw(
        self, ids_BL: IntArray, mask_BL: IntArray
    ) -> tuple[dict[str, FloatArray], FloatArray | None]:
        """Raw logits as `logits` gives them and, where the graph has one, the scope score (B,), of
        one pass. Raises InferenceFailed.
        """
        return self.raw_of({IDS: ids_BL, MASK: mask_BL})

    def raw_of(self, feeds: Feeds) -> tuple[dict[str, FloatArray], FloatArray | None]:
        """As `raw`, of a graph's inputs by name."""
        names = [f"{task.name}_logits" for task in self.tasks]
        arrays = self._arrays(feeds, [*names, SCOPE] if self.has_scope else names)
        scope_B = arrays.pop() if self.has_scope else None
        return self._by_task(arrays), scope_B

    def ragged_feeds(self, flat: Flat) -> Feeds:
        """What a graph without padding takes, by name."""
        feeds: Feeds = {IDS: flat.ids_T, POSITIONS: flat.positions_T, ENDS: flat.ends_E}
        return {**feeds, OFFSETS: flat.offsets_BL()} if OFFSETS in self.inputs else feeds

    def signature(self) -> dict[str, tuple[str, tuple[int | str | None, ...]]]:
        """Every input's and output's type, and its shape with names or None where it is free."""
        entries = [*self._native.get_inputs(), *self._native.get_outputs()]
        return {entry.name: (entry.type, tuple(entry.shape)) for entry in entries}

    def _slot(self, native: Native, memory: Memory, options: object = None) -> Slot:
        widths: list[Width] = [(f"{task.name}_probabilities", task.classes) for task in self.tasks]
        if self.has_scope:
            widths.append((SCOPE, None))
        return Slot(native, memory, widths, options)

    def _answer(self, arrays: list[FloatArray]) -> Outputs:
        scope_B = arrays.pop() if self.has_scope else None
        return Outputs(self._by_task(arrays), scope_B, self.provider)

    def _by_task(self, arrays: Sequence[FloatArray]) -> dict[str, FloatArray]:
        return {task.name: array for task, array in zip(self.tasks, arrays, strict=True)}

    def _arrays(self, feeds: Feeds, names: Sequence[str]) -> list[FloatArray]:
        """The named outputs, in that order."""
        try:
            arrays: list[FloatArray] = self._native.run(names, feeds)
        except Exception as error:  # The runtime raises a dozen types that share no base.
            raise failure_of(error) from error
        return arrays


def open_native(graph: Path, provider: Device, threads: int, cuda: Cuda) -> Native:
    """Loads a graph on exactly the provider that was asked for.

    threads: of one call on the CPU. cuda.replays: record every call that names a CUDA graph.
    Raises ProviderMissing where CUDA was asked for and is not to be had, InferenceFailed where
    the graph does not load.
    """
    if provider == "cuda":
        check_cuda()
    try:
        native = Native(
            str(graph),
            _options(threads),
            providers=providers_of(provider, cuda),
            enable_fallback=0,
        )
    except Exception as error:  # The runtime raises a dozen types that share no base.
        raise open_error(graph, provider, error) from error
    check_provider(native.get_providers(), provider)
    return native


def call_options(graph_id: int) -> onnxruntime.RunOptions:
    """Options of a call that is recorded, and then replayed, as the CUDA graph of this number."""
    options = onnxruntime.RunOptions()
    options.add_run_config_entry("gpu_graph_id", str(graph_id))
    return options


def check_cuda() -> None:
    """Makes NVIDIA's libraries loadable, then loads onnxruntime's CUDA provider.

    Raises ProviderMissing that names what is missing: the CUDA build, or the shared library.
    """
    if NAMES["cuda"] not in onnxruntime.get_available_providers():
        raise ProviderMissing(
            "this onnxruntime is built without CUDA; the package onnxruntime-gpu has it"
        )
    with contextlib.redirect_stdout(io.StringIO()):  # It prints what it does not find.
        onnxruntime.preload_dlls()
    load(_provider_libraries())


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
