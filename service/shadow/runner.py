"""Routed tickets come in, off the caller's path; comparisons with every legacy go out."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from types import TracebackType
from typing import Self

from service.contract.tasks import Task
from service.ledger.records import Comparison
from service.logs import Log, failure
from service.metrics import ShadowMetrics
from service.shadow.books import Surroundings
from service.shadow.config import ShadowConfig
from service.shadow.documents import ShadowStatus, Standing
from service.shadow.errand import Asked, Errand
from service.shadow.lane import CLOSE_S, Lane
from service.shadow.legacy import Legacy
from service.shadow.noise import Noise
from service.shadow.sampling import is_sampled

__all__ = ["Asked", "Shadow"]

MOST_WAITING = 32
"""Callers who may wait for the legacies at once: what they wait for goes ahead of all else, and the
event loop that brings it to them answers everybody.
"""


async def at_once() -> None:
    """Where nobody else needs the cores."""


class Shadow:
    """Asks the legacies what they say to routed tickets, while its `async with` is open.

    Everything here happens on one event loop. Exactly one outcome follows for each legacy and task
    that a ticket is offered to: compared, dropped or failed.
    """

    def __init__(
        self,
        config: ShadowConfig,
        legacies: Sequence[Legacy],
        tasks: Callable[[], tuple[Task, ...]],
        metrics: ShadowMetrics,
        record: Callable[[Comparison], None],
        log: Log,
        clock: Callable[[], float] = time.monotonic,
        spare: Callable[[], Awaitable[None]] = at_once,
    ) -> None:
        """tasks: of the bundle that answers now. record: takes each outcome, for the ledger.

        spare: returns at a quiet moment, and soon in any case; asked before a remote call.
        """
        # The others may be ahead of a legacy by all that may wait for it, twice over.
        self._noise = Noise(config.window, 2 * config.queue + 256, metrics)
        around = Surroundings(config, metrics, self._noise, record, log, clock, spare)
        self._lanes = {legacy.name: Lane(legacy, around) for legacy in legacies}
        self._config, self._tasks, self._log = config, tasks, log
        self._legacies = AsyncExitStack()
        self._waiting = 0

    @property
    def legacies(self) -> dict[str, Legacy]:
        """The legacies by name, in the order of the configuration."""
        return {name: lane.legacy for name, lane in self._lanes.items()}

    async def __aenter__(self) -> Self:
        """Opens the legacies and starts their workers. Raises what a legacy raises on opening."""
        async with AsyncExitStack() as opening:
            for lane in self._lanes.values():
                await opening.enter_async_context(lane.legacy)
            self._legacies = opening.pop_all()
        for lane in self._lanes.values():
            lane.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Drops what waits and what is being asked (`closing`), then closes the legacies."""
        await asyncio.gather(*(lane.close() for lane in self._lanes.values()))
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._legacies.aclose()
        except Exception as fault:
            self._log.warning("legacies do not close", **failure(fault))

    def offer(self, asked: Asked) -> None:
        """Queues a ticket for each legacy, unless sampling leaves it out. Never waits or raises.

        Call it before `standing`: a ticket of another bundle starts the disagreements anew.
        """
        key = asked.ticket.ticket_id or asked.decision_id
        is_in = is_sampled(key, self._config.sample)
        for lane in self._lanes.values():
            with self._harmless():
                if is_in:
                    lane.offer(asked)
                else:
                    lane.pass_over(asked)

    def miss(self, asked: Asked) -> None:
        """A ticket that was answered before the seats changed: dropped as `swapped`."""
        for lane in self._lanes.values():
            with self._harmless():
                lane.miss(asked)

    def standing(self) -> Standing:
        """The running disagreements, as every reply carries them."""
        names = self._names()
        return {name: lane.standing(names) for name, lane in self._lanes.items()}

    async def answers(self, asked: Asked, timeout_s: float) -> Standing:
        """The standing with each legacy's answer to this ticket, for `shadow=wait`.

        Instead of `offer`: the ticket is queued ahead of the others and outside of sampling. Waits
        for at most `timeout_s` seconds; an answer that is not there by then is `late`, and is
        counted when it comes. So is it at once, and nothing goes ahead, where MOST_WAITING callers
        wait already. Never raises, except for the caller's own cancellation.
        """
        loop, errands = asyncio.get_running_loop(), dict[str, Errand]()
        waits = self._waiting < MOST_WAITING
        for name, lane in self._lanes.items():
            with self._harmless():
                errands[name] = lane.offer(asked, urgent=waits, done=loop.create_future())
        if waits:
            await self._wait(errands.values(), timeout_s)
        standing = self.standing()
        for name, errand in errands.items():
            standing[name] |= self._lanes[name].answers(errand)
        return standing

    async def _wait(self, errands: Iterable[Errand], timeout_s: float) -> None:
        self._waiting += 1
        try:
            if done := [errand.done for errand in errands if errand.done is not None]:
                await asyncio.wait(done, timeout=timeout_s)
        finally:
            self._waiting -= 1

    def seed(self, legacy: str, primary: str, task: str, flags: Iterable[bool]) -> None:
        """Fills a window from the ledger. flags: whether past answers differed, oldest first.

        primary: digest of the bundle that answered them; the identity is the legacy's own. Ignored
        where the disagreement belongs to another pair by now. Raises KeyError for an unknown name.
        """
        lane = self._lanes[legacy]
        lane.books.disagreements.seed((primary, lane.legacy.identity), task, flags)

    def status(self) -> ShadowStatus:
        """What `GET /shadow` answers."""
        names = self._names()
        return ShadowStatus(
            sample=self._config.sample,
            queue=self._config.queue,
            max_age_s=self._config.max_age_s,
            window=self._config.window,
            legacies={name: lane.status(names) for name, lane in self._lanes.items()},
            noise=self._noise.floors(),
        )

    @contextmanager
    def _harmless(self) -> Iterator[None]:
        """What goes wrong for one legacy touches neither the caller nor the other legacies."""
        try:
            yield
        except Exception as error:
            self._log.error("shadow failed", **failure(error))

    def _names(self) -> tuple[str, ...]:
        return tuple(task.name for task in self._tasks())
