"""A graph and `auto`, `cuda` or `cpu` come in; open sessions go out, or why not."""

import ctypes
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Literal, Protocol

from service.contract.tasks import Task
from service.engine.cuda import Cuda
from service.engine.device import Device
from service.engine.session import Session
from service.errors import ProviderMissing

DRIVER = "libcuda.so.1"

COPIES_BYTES = 2**30
"""Of a graph's file, held as copies of it at most; where one exceeds this there is one."""

logger = logging.getLogger(__name__)


class Opener(Protocol):
    """How one session is opened; `Session.open` is the real one."""

    def __call__(
        self,
        graph: Path,
        tasks: tuple[Task, ...],
        provider: Device,
        threads: int,
        cuda: Cuda = ...,
    ) -> Session:
        """Raises ProviderMissing, InferenceFailed."""
        ...


@dataclass(frozen=True, slots=True)
class Opened:
    """Sessions on one provider: on CUDA one a device, on the CPU as many as were asked for, of
    which some may be the same.

    degraded: `auto` found an NVIDIA driver and still had to fall back to the CPU; `reason` says
    why.
    """

    sessions: tuple[Session, ...]
    provider: Device
    degraded: bool = False
    reason: str | None = None


def has_driver() -> bool:
    """Whether this host offers an NVIDIA driver to this process."""
    try:
        ctypes.CDLL(DRIVER)
    except OSError:
        return False
    return True


def open_sessions(
    graph: Path,
    tasks: tuple[Task, ...],
    wanted: Literal["auto", "cuda", "cpu"],
    *,
    sessions: int,
    threads: int,
    cudas: Sequence[Cuda] = (Cuda(),),
    at_once: bool = True,
    driver: Callable[[], bool] = has_driver,
    opener: Opener = Session.open,
) -> Opened:
    """Opens a graph on CUDA or the CPU.

    sessions: batches that run side by side on the CPU. threads: that one batch may use there.
    cudas: how it is opened on each GPU. at_once: copies on the CPU are opened on all cores, else on
    one, which leaves the others to who computes meanwhile. `auto` takes CUDA where the host has a
    driver, and falls back to the CPU with a warning where CUDA does not start on every one of them.
    A host without a driver simply serves on the CPU. Raises ProviderMissing where `cuda` is not to
    be had, InferenceFailed where the graph does not load.
    """
    reason: str | None = None
    present = wanted != "cpu" and driver()
    if wanted == "cuda" and not present:
        raise ProviderMissing(f"this host has no NVIDIA driver: {DRIVER} does not load")
    if present:
        try:
            opened = tuple(opener(graph, tasks, "cuda", threads, cuda) for cuda in cudas)
            return Opened(opened, "cuda")
        except ProviderMissing as error:
            if wanted == "cuda":
                raise
            reason = str(error)
            logger.warning("serving on the CPU, although this host has an NVIDIA driver: %s", error)
    count = _affordable(graph, sessions)
    copies = _opened(lambda: opener(graph, tasks, "cpu", threads), count, at_once)
    degraded = reason is not None
    if wanted == "auto" and not degraded:
        reason = "this host has no NVIDIA driver"
    each = tuple(islice(cycle(copies), sessions))
    return Opened(each, "cpu", degraded=degraded, reason=reason)


def _affordable(graph: Path, sessions: int) -> int:
    """How many copies of the graph to hold for so many batches side by side, at least one.

    Batches on one session take their memory from one arena, so that what one core has just written
    is given to another: for seconds at a time each call then took an eighth longer.
    """
    size = graph.stat().st_size if graph.is_file() else 0
    return max(1, min(sessions, COPIES_BYTES // max(1, size)))


def _opened(opener: Callable[[], Session], count: int, at_once: bool) -> list[Session]:
    """So many sessions. Raises as the opener does."""
    if count == 1 or not at_once:
        return [opener() for _ in range(count)]
    with ThreadPoolExecutor(min(count, os.cpu_count() or 1)) as pool:
        return [opening.result() for opening in [pool.submit(opener) for _ in range(count)]]
