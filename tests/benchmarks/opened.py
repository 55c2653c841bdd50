"""A bundle's variant and a provider come in; a graph that runs tickets in any layout goes out."""

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from service.contract.bundle import Manifest, Variant
from service.contract.tokens import Tokens
from service.engine.cuda import Cuda
from service.engine.layout import Arrays, lay_out
from service.engine.outputs import Outputs
from service.engine.runner import run
from service.engine.session import Session
from tests.benchmarks.measure import by_length
from tests.benchmarks.placement import PROVIDERS, MisplacedError

Provider = Literal["cuda", "cpu"]

CUDA_MEMORY_MB = 16_384
"""Of the arena: enough for every batch that is tried."""
SEED = 7


@dataclass(frozen=True, eq=False)
class Opened:
    """A variant in a session of the service's own."""

    variant: Variant
    session: Session
    pad_id: int

    @property
    def name(self) -> str:
        """`fp16 ragged`."""
        return name_of(self.variant)

    def lay_out(self, tickets: Sequence[Tokens]) -> Arrays:
        """The arrays of one batch."""
        return lay_out(tickets, self.variant.layout, self.pad_id)

    def run(self, arrays: Arrays) -> Outputs:
        """What the graph says to a batch."""
        return run(self.session, arrays)


def name_of(variant: Variant) -> str:
    """`fp16 ragged`."""
    return f"{variant.precision} {variant.layout}"


def open_variant(
    bundle: Path,
    manifest: Manifest,
    variant: Variant,
    provider: Provider,
    *,
    threads: int = 1,
    replays: bool = False,
) -> Opened:
    """threads: of one call on the CPU. replays: of small padded batches, as CUDA graphs.

    Raises ProviderMissing, InferenceFailed, and MisplacedError where the session does not list the
    provider.
    """
    cuda = Cuda(CUDA_MEMORY_MB, replays=replays)
    graph = bundle / variant.file
    session = Session.open(graph, manifest.tasks, provider, threads, cuda)
    listed = session._native.get_providers()
    if PROVIDERS[provider] not in listed:
        raise MisplacedError(f"{variant.file}: the session lists {listed}, not {provider}")
    return Opened(variant, session, manifest.pad_id)


def per_s(
    opened: Opened, tickets: Sequence[Tokens], batch: int, threads: int, seconds: float
) -> float:
    """Raw throughput, in tickets a second: batches of like length, laid out beforehand, run over
    and over in a random order by so many threads at once.
    """
    batches = [opened.lay_out(part) for part in by_length(tickets, batch)]
    opened.run(batches[-1])  # The largest shape first, so that the arena grows once.
    order = np.random.default_rng(SEED).permutation(len(batches)).tolist()
    work = _Shared(itertools.cycle(order))
    started = time.perf_counter()

    def labour(_: int) -> int:
        done = 0
        while time.perf_counter() - started < seconds:
            arrays = batches[next(work)]
            opened.run(arrays)
            done += len(arrays)
        return done

    with ThreadPoolExecutor(threads) as pool:
        done = sum(pool.map(labour, range(threads)))
    return done / (time.perf_counter() - started)


class _Shared(Iterator[int]):
    """The same numbers, for several threads."""

    def __init__(self, numbers: Iterator[int]) -> None:
        self._numbers, self._lock = numbers, threading.Lock()

    def __next__(self) -> int:
        with self._lock:
            return next(self._numbers)
