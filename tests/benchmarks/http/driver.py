"""A load comes in; a process of its own puts it on a server, and what came of it goes out."""

import asyncio
import gc
import itertools
import multiprocessing
import resource
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import uvloop

from tests.benchmarks.http.loads import Answers, closed, opened
from tests.benchmarks.http.wire import rendered

Result = TypeVar("Result")


@dataclass(frozen=True)
class Load:
    """turns: places in `bodies`, of the closed loop over and over, of the open loop one a moment.

    clients: of the closed loop, 0 for none. moments: of the open loop, in seconds from the start.
    Both at once are a flood: then `flooding` are the turns of the closed loop.
    """

    url: str
    bodies: Sequence[bytes]
    seconds: float
    turns: Sequence[int]
    clients: int = 0
    moments: Sequence[float] = ()
    flooding: Sequence[int] = ()


@dataclass(frozen=True)
class Outcome:
    """flood: what the closed loop of a flood met. cpu_s: of this process, while the load ran."""

    answers: Answers
    flood: Answers = field(default_factory=Answers)
    cpu_s: float = 0.0


@contextmanager
def process() -> Iterator[ProcessPoolExecutor]:
    """One fresh process that runs one thing at a time, with no state of this one."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield pool


def allow_connections() -> None:
    """Lifts this process's limit of open files, and that of its children, to what is allowed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def drive(load: Load) -> Outcome:
    """Runs the load in this process; where nobody listens, no answers come of it."""
    allow_connections()
    gc.collect()
    gc.freeze()
    gc.disable()  # A collection would be charged to the server that is measured.
    try:
        return uvloop.run(_drive(load))
    finally:
        gc.enable()


async def _drive(load: Load) -> Outcome:
    requests = rendered(load.url, load.bodies)
    cpu = asyncio.create_task(_cpu_s(load.seconds))
    if not load.moments:
        answers = await closed(
            load.url, requests, itertools.cycle(load.turns), load.clients, load.seconds
        )
        return Outcome(answers, cpu_s=await cpu)
    short = opened(load.url, requests, load.turns, load.moments)
    turns = itertools.cycle(load.flooding)
    long = closed(load.url, requests, turns, load.clients, load.seconds)
    answers, flood = await asyncio.gather(short, long)
    return Outcome(answers, flood, await cpu)


async def _cpu_s(seconds: float) -> float:
    """What this process uses within that time."""
    before = time.process_time()
    await asyncio.sleep(seconds)
    return time.process_time() - before
