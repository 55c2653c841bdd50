"""A session comes in; how much of the device's memory it takes over many batches goes out."""

import shutil
import subprocess
import time
from collections.abc import Iterator

import numpy as np

from tests.benchmarks.bounds import Figure, at_most
from tests.benchmarks.gpu.plan import Plan
from tests.benchmarks.gpu.sheet import NotMeasurable
from tests.benchmarks.gpu.subject import Subject
from tests.benchmarks.opened import SEED, Opened

GROWTH_MIB = 64.0
TICKETS = 1_000_000
_QUERY = ("nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "--id=0")


def growth(subject: Subject, opened: Opened, plan: Plan) -> Iterator[Figure]:
    """Batches of every size and of mixed lengths, until there are enough tickets or no time is
    left. Raises NotMeasurable without nvidia-smi.
    """
    if plan.provider == "cpu":
        raise NotMeasurable("the graph runs on the CPU")
    most = plan.batches[-1]
    longest = sorted(subject.tokens, key=len)[-most:]
    opened.run(opened.lay_out(longest))
    before, until = used_mib(), time.perf_counter() + 2 * plan.seconds
    random, tickets = np.random.default_rng(SEED), 0
    while tickets < TICKETS and time.perf_counter() < until:
        batch = int(random.integers(1, most + 1))
        places = random.integers(0, len(subject.tokens), batch)
        opened.run(opened.lay_out([subject.tokens[place] for place in places]))
        tickets += batch
    grown = used_mib() - before
    yield Figure(f"{opened.name}: device memory after its largest batch", before, unit="MiB")
    name = f"{opened.name}: device memory more after {tickets} tickets of mixed lengths"
    yield Figure(name, grown, at_most(GROWTH_MIB), "MiB")


def used_mib() -> float:
    """Of the first GPU, by all that runs on it. Raises NotMeasurable."""
    if shutil.which(_QUERY[0]) is None:
        raise NotMeasurable("this machine has no nvidia-smi")
    run = subprocess.run(_QUERY, capture_output=True, text=True, check=False, timeout=30)
    return read_used(run.stdout, run.stderr)


def read_used(said: str, complaint: str = "") -> float:
    """said: nvidia-smi's number. Raises NotMeasurable."""
    try:
        return float(said.split()[0])
    except (IndexError, ValueError):
        raise NotMeasurable(f"nvidia-smi gives no memory: {(said or complaint)[:200]}") from None
