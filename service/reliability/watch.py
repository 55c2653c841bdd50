"""The ledger comes in; how reliable the bundle that serves is goes out, again and again.

Everything is computed from the ledger, so that it survives a restart; a bundle that takes the
primary seat begins with its own labels alone, a policy with its own decisions.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

from service.bundle import Bundle
from service.bundles import Bundles
from service.errors import LedgerUnavailable, NotReady
from service.ledger.ledger import Ledger
from service.ledger.store import Store
from service.logs import Log, failure
from service.metrics import ReliabilityMetrics
from service.reliability.document import TaskReliability
from service.reliability.figures import reliability_of

WINDOW = 2_000
"""Labelled decisions of a task that count, those that were labelled last."""
EVERY_S = 60.0
LOOK_S = 2.0
REST = 20.0
"""A reading that takes a second is followed by a rest of so many."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Standing:
    """What was found. at: seconds since the epoch."""

    version: str
    digest: str
    at: float
    tasks: Mapping[str, TaskReliability]


class Watch:
    """Reads the ledger's labels in a thread, while its `async with` is open; nothing waits for it.

    A reading comes after `every_s` seconds, and within a few seconds of a final label: whether
    there is a new one is asked of the ledger, as it may have come in through another process.
    """

    def __init__(
        self,
        ledger: Ledger,
        bundles: Bundles,
        metrics: ReliabilityMetrics,
        log: Log,
        *,
        every_s: float = EVERY_S,
        look_s: float = LOOK_S,
        rest: float = REST,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """look_s: seconds between two questions for new labels. rest: seconds of pause for each
        second of a reading. clock: since the epoch.
        """
        self._ledger, self._bundles, self._metrics, self._log = ledger, bundles, metrics, log
        self._every_s, self._look_s, self._rest, self._clock = every_s, look_s, rest, clock
        self._why_not = "the ledger is off"
        self._standing: Standing | None = None
        self._newest = 0
        self._away = False
        self._broken: frozenset[str] = frozenset()
        self._swapped = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begins, where there is a ledger."""
        if self._ledger.on:
            self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ends; a reading under way is not waited for."""
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running

    @property
    def standing(self) -> Standing:
        """What was found last. Raises LedgerUnavailable where the ledger cannot be read."""
        if self._standing is None:
            raise LedgerUnavailable(self._why_not)
        return self._standing

    def bundle_changed(self) -> None:
        """Another bundle answers: what was found about the old one no longer counts."""
        if self._ledger.on:
            self._lose("the final labels have not been read yet")
            self._broken = frozenset()
            self._swapped.set()

    async def _run(self) -> None:
        while True:
            self._swapped.clear()
            started = time.monotonic()
            try:
                await self._read()
            except Exception as error:
                self._fail(error)
            await self._pause(max(self._look_s, self._rest * (time.monotonic() - started)))

    async def _pause(self, pause_s: float) -> None:
        """Returns when it is time, when there are new labels, or when another bundle answers."""
        until = time.monotonic() + self._every_s
        while time.monotonic() < until:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._swapped.wait()
                    return
            was_away, newest = self._away, await self._ask(_newest)
            if newest is not None and (was_away or newest != self._newest):
                return

    async def _read(self) -> None:
        try:
            bundle = self._bundles.active
        except NotReady as error:
            self._lose(str(error))
            return
        # Asked first: a label that comes in meanwhile is news then.
        newest = await self._ask(_newest)
        if newest is None:
            return
        self._newest = newest
        tasks = await self._ask(partial(_judged, bundle))
        if tasks is not None and not self._swapped.is_set():
            self._take(bundle, tasks)

    async def _ask(self, question: Callable[[Store], T]) -> T | None:
        """What the ledger says; None where it says nothing, and then nothing is known any more."""
        try:
            answer = await self._ledger.read(question)
        except LedgerUnavailable as error:
            self._away = True
            self._lose(str(error))
        except Exception as error:
            self._fail(error)
        else:
            self._away = False
            return answer
        return None

    def _take(self, bundle: Bundle, tasks: dict[str, TaskReliability]) -> None:
        self._standing = Standing(bundle.manifest.version, bundle.digest, self._clock(), tasks)
        self._metrics.show(tasks)
        promises = {name: one.promise for name, one in tasks.items() if one.promise is not None}
        broken = frozenset(name for name, promise in promises.items() if promise.broken)
        for name in sorted(broken ^ self._broken):
            now = promises[name]
            say = self._log.warning if now.broken else self._log.info
            say(
                "promise broken" if now.broken else "promise no longer broken",
                task=name,
                kind=now.kind,
                target=now.target,
                observed=now.observed,
                n=now.n,
                bundle=bundle.digest,
            )
        self._broken = broken

    def _fail(self, error: Exception) -> None:
        self._log.error("reliability failed", **failure(error))
        self._lose("the final labels could not be judged")

    def _lose(self, why_not: str) -> None:
        self._standing, self._why_not = None, why_not
        self._metrics.clear()


def _newest(store: Store) -> int:
    return store.newest_label()


def _judged(bundle: Bundle, store: Store) -> dict[str, TaskReliability]:
    names = [task.name for task in bundle.tasks]
    recent, thresholds = store.labelled(bundle.digest, names, WINDOW), bundle.variant.thresholds
    return {
        task.name: reliability_of(
            task, recent[task.name], thresholds.get(task.name), bundle.rules[task.name]
        )
        for task in bundle.tasks
    }
