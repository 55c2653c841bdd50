"""A real front's line and a real core's hub, in two processes, come in; what a hop takes goes out.

python -m tests.benchmarks.hop [--questions 4000] [--rounds 3] [--json OUT]: the core's engine
answers at once; what it takes to ask it in its own process is taken off. Beside it what other ways
to cross take for as many bytes. Exits 1 where the bound does not hold.
"""

import asyncio
import json
import multiprocessing
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Annotated, Self

import numpy as np
import typer
import uvloop

from service.app import create_core
from service.contract.bundle import read_manifest
from service.contract.tasks import Task
from service.contract.tokens import Tokens
from service.engine.answer import Answer, Priority
from service.front.front import create_front
from service.link.hub import Hub
from service.logs import open_log
from service.settings import Settings
from tests.benchmarks import crossings, device, table
from tests.benchmarks.bounds import Figure, at_most
from tests.service.desk import FixedBundle
from tests.tiny_bundle import write_bundle

MOST_US = 60.0
CROWD = 32
TOKENS = 45
"""Of a ticket, as help-desk tickets have in the mean."""
QUESTION = b"q" * 4 * TOKENS
"""What crosses of it, about."""
READY_S = 60.0
_WARM_UP = 0.1

Ask = Callable[[], Awaitable[object]]


class Instant:
    """An engine that answers at once."""

    depth, predicted_wait_s, alive = 0, 0.0, True

    def __init__(self, tasks: tuple[Task, ...]) -> None:
        rows = {task.name: np.full(task.classes, 0.5, dtype=np.float32) for task in tasks}
        self._answer = Answer(rows, 0.0, 0.0, 1, TOKENS)

    async def __aenter__(self) -> Self:
        """There is nothing to start."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """There is nothing to close."""

    async def submit(self, tokens: Tokens, deadline: float, priority: Priority = "live") -> Answer:  # noqa: ARG002 - the engine's.
        """Always the same."""
        return self._answer


def measure(questions: int, rounds: int) -> list[Figure]:
    """The hop's figures, the median of the rounds, and those of the other ways."""
    with tempfile.TemporaryDirectory() as scratch:
        bundle = write_bundle(Path(scratch) / "bundle")
        found = [uvloop.run(_hop(bundle, scratch, questions)) for _ in range(rounds)]
        ways = [figure for way in crossings.WAYS for figure in _way(way, scratch, questions)]
    alone, crowd = ([one[place] for one in found] for place in (0, 1))
    return [
        _us("front to core and back, p50", alone, MOST_US),
        _us(f"the same with {CROWD} in flight, each", crowd),
        *ways,
    ]


async def _hop(bundle: Path, scratch: str, questions: int) -> tuple[float, float]:
    """Seconds of a hop with one in flight (p50), and of each of CROWD in flight."""
    context = multiprocessing.get_context("spawn")
    path = Path(scratch) / "link"
    path.unlink(missing_ok=True)
    process = context.Process(target=serve, args=(bundle, path), daemon=True)
    process.start()
    try:
        async with _line(bundle, path) as ask:
            far, crowd = await lone_s(ask, questions), await each_s(ask, questions)
    finally:
        process.terminate()
        process.join()
    near = Instant(_tasks(bundle))
    tokens = _tokens()
    own = await lone_s(lambda: near.submit(tokens, time.monotonic() + 10), questions)
    return far - own, crowd


@asynccontextmanager
async def _line(bundle: Path, path: Path) -> AsyncIterator[Ask]:
    settings = _settings(bundle)
    log = open_log(sys.stderr, "error")
    front = create_front(settings, "1", path, log)
    async with front.bundles:
        async with asyncio.timeout(READY_S):
            await front.bundles.seated.wait()
        tokens = _tokens()
        with front.bundles.lease() as lent:
            yield lambda: lent.engine.submit(tokens, time.monotonic() + 10)


def serve(bundle: Path, path: Path) -> None:
    """The core's process."""
    uvloop.run(_serve(bundle, path))


async def _serve(bundle: Path, path: Path) -> None:
    settings = _settings(bundle)
    core = create_core(settings, open_log(sys.stderr, "error"))
    fixed = FixedBundle(bundle, settings, Instant(_tasks(bundle)))
    core = replace(core, bundles=fixed)  # type: ignore[arg-type]
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        async with Hub(core, listening):
            await asyncio.Event().wait()


async def lone_s(ask: Ask, questions: int) -> float:
    """Seconds of one question at a time, p50 after a warm-up."""
    took = []
    for _ in range(questions):
        started = time.perf_counter()
        await ask()
        took.append(time.perf_counter() - started)
    return median(took[int(_WARM_UP * questions) :])


async def each_s(ask: Ask, questions: int) -> float:
    """Seconds over questions, CROWD of which are always under way."""

    async def client() -> None:
        for _ in range(questions // CROWD):
            await ask()

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CROWD)))
    return (time.perf_counter() - started) / (questions // CROWD * CROWD)


def _way(way: str, scratch: str, questions: int) -> list[Figure]:
    if crossings.missing(way):
        return []

    async def both() -> tuple[float, float]:
        async with crossings.crossing(way, scratch) as ask:
            await asyncio.wait_for(ask(QUESTION), READY_S)
            return (
                await lone_s(lambda: ask(QUESTION), questions),
                await each_s(lambda: ask(QUESTION), questions),
            )

    alone, crowd = uvloop.run(both())
    name = f"bytes alone by {way}"
    return [
        _us(f"{name}, p50", [alone]),
        _us(f"{name} with {CROWD} in flight, each", [crowd]),
    ]


def _us(measure: str, seconds: list[float], most: float | None = None) -> Figure:
    spread = (1e6 * min(seconds), 1e6 * max(seconds)) if len(seconds) > 1 else None
    bound = None if most is None else at_most(most)
    return Figure(measure, 1e6 * median(seconds), bound, "µs", spread)


def _settings(bundle: Path) -> Settings:
    return Settings(bundle=bundle, sessions=1, provider="cpu", ledger="off")


def _tasks(bundle: Path) -> tuple[Task, ...]:
    return read_manifest(bundle).tasks


def _tokens() -> Tokens:
    return Tokens(np.arange(TOKENS, dtype=np.int64), truncated=False)


def main(
    questions: Annotated[int, typer.Option(min=320, help="of each measurement")] = 4000,
    rounds: Annotated[int, typer.Option(min=1, help="of the hop, each with new processes")] = 3,
    out: Annotated[Path | None, typer.Option("--json", help="also write the figures here")] = None,
) -> None:
    """What it takes to ask the core from a front, beside other ways to cross."""
    figures = measure(questions, rounds)
    facts = device.facts()
    if out is not None:
        document = {"facts": facts, "figures": [figure.document() for figure in figures]}
        out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    rows = [figure.row() for figure in figures]
    rows += [(f"bytes alone by {way}", why, "", "") for way, why in crossings.absent().items()]
    table.show("From a front to the core", ("measure", "value", "bound", "holds"), rows, facts)
    sys.exit(not all(figure.holds for figure in figures))


if __name__ == "__main__":
    typer.run(main)
