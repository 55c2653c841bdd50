"""A graph and texts come in; how long they take without HTTP goes out.

Runs in a process of its own, on onnxruntime itself: what Harbor's own session does well or badly
is not to be part of its yardstick. Shapes: B batch, L padded length.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from service.contract.bundle import TOKENIZER, Variant, read_manifest
from service.contract.tokens import Tokenizer, Tokens, pad
from tests.benchmarks.contender import Setup
from tests.benchmarks.measure import by_length

BATCHES = (1, 2, 4, 8, 32)
ERRORS_ONLY = 3


@dataclass(frozen=True)
class Arrangement:
    """sessions: batches side by side. threads: of one batch."""

    threads: int
    sessions: int
    batch: int

    def __str__(self) -> str:
        return f"{self.sessions} x {self.threads} threads, batch {self.batch}"


def variant_of(setup: Setup) -> Variant:
    """The padded graph of that precision. Raises ValueError where the bundle has none."""
    for variant in read_manifest(setup.bundle).variants:
        if variant.precision == setup.precision and variant.layout == "padded":
            return variant
    raise ValueError(f"the bundle has no padded {setup.precision} graph")


def arrangements(setup: Setup) -> list[Arrangement]:
    """All that are tried; batches of one alone where a ticket's answer depends on its company."""
    cores = len(os.sched_getaffinity(0))
    shares = dict.fromkeys([(1, cores), (cores, 1)])
    batches = BATCHES[:1] if variant_of(setup).alone else BATCHES
    return [Arrangement(*share, batch) for share in shares for batch in batches]


def sorted_s(setup: Setup, arrangement: Arrangement, texts: Sequence[str]) -> float:
    """Seconds for all texts: tokenised on every core, sorted by length, longest first, run."""
    tokenizer = _tokenizer(setup.bundle)
    sessions = [_session(setup, arrangement.threads, n) for n in range(arrangement.sessions)]
    started = time.perf_counter()
    batches = list(by_length(tokenizer.encode_batch(texts), arrangement.batch))
    work = _shared(iter(reversed(batches)))
    threads = [threading.Thread(target=_run, args=(one, work)) for one in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - started


def alone_ms(setup: Setup, texts: Sequence[str], seconds: float) -> list[float]:
    """Milliseconds of each text by itself, tokenised, on one thread; as many as fit the time."""
    tokenizer, session = _tokenizer(setup.bundle), _session(setup, 1, 0)
    until = time.perf_counter() + seconds
    found: list[float] = []
    for text in texts:
        if (started := time.perf_counter()) >= until:
            break
        session([tokenizer.encode(text)])
        found.append((time.perf_counter() - started) * 1000)
    return found


Run = Callable[[Sequence[Tokens]], Any]


def _run(session: Run, work: Iterator[Sequence[Tokens]]) -> None:
    for batch in work:
        session(batch)


def _shared(batches: Iterator[Sequence[Tokens]]) -> Iterator[Sequence[Tokens]]:
    """The same batches, for several threads."""
    lock, end = threading.Lock(), object()

    def take() -> Any:
        with lock:
            return next(batches, end)

    return iter(take, end)


@cache
def _tokenizer(bundle: Path) -> Tokenizer:
    return Tokenizer.from_file(bundle / TOKENIZER, read_manifest(bundle).token_limit)


@cache
def _session(setup: Setup, threads: int, place: int) -> Run:  # noqa: ARG001 - one for each place.
    """A warm session that takes tokens and gives every task's probabilities."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = ERRORS_ONLY
    options.enable_mem_pattern = False  # As a server that lives for long has to.
    native = onnxruntime.InferenceSession(
        str(setup.bundle / variant_of(setup).file), options, providers=["CPUExecutionProvider"]
    )
    manifest = read_manifest(setup.bundle)
    names = [f"{task.name}_probabilities" for task in manifest.tasks]

    def run(tickets: Sequence[Tokens]) -> Any:
        ids_BL, mask_BL = pad(tickets, manifest.pad_id)
        return native.run(names, {"input_ids": ids_BL, "attention_mask": mask_BL})

    longest = Tokens(np.full(manifest.token_limit, manifest.pad_id, dtype=np.int64), False)
    run([longest])
    return run
