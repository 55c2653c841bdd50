"""One legacy's tickets come in; workers ask it about each, and every ticket's end is booked."""

import asyncio
from collections.abc import Iterable

from service.logs import failure
from service.shadow.asking import CRASHED, Heard, ask
from service.shadow.books import Books, Surroundings
from service.shadow.documents import LegacyAnswer, LegacyStatus, ShadowTask
from service.shadow.errand import Asked, Errand
from service.shadow.health import Health
from service.shadow.legacy import Legacy
from service.shadow.line import Line

CLOSE_S = 5.0
"""How long a stop waits for a legacy that does not heed its cancellation."""

LONG_S = 1.0
"""A ticket that has waited so long waits for no quiet moment besides.

On a server that is never quiet the waits would let through a few tickets a second, and what is
compared would be the quiet hours' tickets.
"""

LATE = LegacyAnswer(outcome="late")


class Lane:
    """One legacy with its queue, its workers and its books, on one event loop."""

    def __init__(self, legacy: Legacy, around: Surroundings) -> None:
        self.legacy = legacy
        self.books = Books(legacy.name, around)
        self._around = around
        self._line = Line(around.config.queue)
        self._asking: set[Errand] = set()
        self._workers: list[asyncio.Task[None]] = []
        self._health = Health(legacy.name, around.log, around.clock)
        self._closing = False

    @property
    def pending(self) -> int:
        """Tickets that wait or are being asked."""
        return len(self._line) + sum(errand.open for errand in self._asking)

    def start(self) -> None:
        """Starts the workers on the running event loop."""
        self._around.metrics.watch_pending(self.legacy.name, lambda: self.pending)
        self._watch_circuit()
        for number in range(self.legacy.concurrency):
            name = f"harbor-shadow-{self.legacy.name}-{number}"
            self._workers.append(asyncio.create_task(self._work(), name=name))

    async def close(self) -> None:
        """Drops what waits and what is being asked, and ends the workers."""
        self._closing = True
        for errand in (*self._line.clear(), *self._asking):
            self.books.drop(errand, "closing")
        for worker in self._workers:
            worker.cancel()
        if self._workers:
            _, deaf = await asyncio.wait(self._workers, timeout=CLOSE_S)
            if deaf:
                self._around.log.warning("legacy does not stop", legacy=self.legacy.name)

    def offer(
        self, asked: Asked, *, urgent: bool = False, done: asyncio.Future[None] | None = None
    ) -> Errand:
        """Queues a ticket. urgent: ahead of the others. done: is resolved with its outcome."""
        errand = self._errand(asked, done)
        self.books.open(errand)
        if not errand.tasks:
            self.books.close(errand, {})
        elif self._closing:
            self.books.drop(errand, "closing")
        elif not self._line.add(errand, urgent=urgent):
            self.books.drop(errand, "queue_full")
        return errand

    def miss(self, asked: Asked) -> None:
        """A ticket that was answered before the seats changed: it is not asked about."""
        self.books.miss(self._errand(asked, None))

    def pass_over(self, asked: Asked) -> None:
        """A ticket that sampling left out; it still says which models are at work."""
        self.books.disagreements.turn((asked.primary, self.legacy.identity))
        self.books.sample_out()

    def standing(self, tasks: Iterable[str]) -> dict[str, ShadowTask]:
        """The running disagreements. tasks: of the bundle that answers."""
        own = self.legacy.tasks
        return {task: self.books.disagreements.task(task) for task in tasks if task in own}

    def answers(self, errand: Errand) -> dict[str, ShadowTask]:
        """The running disagreements with the answers to one ticket, `late` where there is none."""
        return {
            task: ShadowTask(
                disagreement=self.books.disagreements.task(task).disagreement,
                answer=errand.answers.get(task, LATE),
            )
            for task in errand.tasks
        }

    def status(self, tasks: Iterable[str]) -> LegacyStatus:
        """What `GET /shadow` says. tasks: of the bundle that answers."""
        names = dict.fromkeys((*self.standing(tasks), *self.books.tasks))
        return LegacyStatus(
            name=self.legacy.name,
            role=self.legacy.role,
            identity=self.legacy.identity,
            kind=self.legacy.kind,
            circuit=self.legacy.circuit,
            concurrency=self.legacy.concurrency,
            pending=self.pending,
            sampled_out=self.books.sampled_out,
            latency=self.books.latencies.document(),
            tasks={name: self.books.status(name) for name in names},
        )

    def _errand(self, asked: Asked, done: asyncio.Future[None] | None) -> Errand:
        legacy = self.legacy
        tasks = tuple(task for task in legacy.tasks if task in asked.predictions)
        since = self._around.clock()
        return Errand(asked, legacy.name, legacy.identity, legacy.role, tasks, since, done=done)

    async def _work(self) -> None:
        while not self._closing:
            errand = await self._line.take()
            self._asking.add(errand)
            try:
                if self.legacy.kind != "bundle" and self._waited_s(errand) < LONG_S:
                    await self._around.spare()
                await self._run(errand)
            except Exception as error:
                # Nothing of the kind is known; one ticket's end must not be that of the worker.
                self._around.log.error("shadow failed", **failure(error))
                self.books.close(errand, dict.fromkeys(errand.tasks, CRASHED))
            finally:
                self._asking.discard(errand)
            # Tickets that end without a wait must not hold the event loop one after the other.
            await asyncio.sleep(0)

    def _waited_s(self, errand: Errand) -> float:
        return self._around.clock() - errand.since

    async def _run(self, errand: Errand) -> None:
        started = self._around.clock()
        if self._waited_s(errand) > self._around.config.max_age_s:
            self.books.drop(errand, "too_old")
        elif self.legacy.identity != errand.identity:
            self.books.drop(errand, "swapped")
        else:
            heard = await ask(self.legacy, errand.asked.ticket, errand.tasks)
            self._close(errand, heard, self._around.clock() - started)

    def _close(self, errand: Errand, heard: Heard, seconds: float) -> None:
        self._watch(heard, seconds)
        if self.legacy.identity != errand.identity:
            # It is not known which of the two models answered.
            self.books.drop(errand, "swapped")
        else:
            self.books.close(errand, heard.judged, seconds if heard.called else None)

    def _watch(self, heard: Heard, seconds: float) -> None:
        self._watch_circuit()
        if heard.failure is not None:
            self._health.failed(heard.failure, heard.error)
        elif heard.called:
            self._health.answered()
            self.books.latencies.add(seconds)
            self._around.metrics.answered(self.legacy.name, seconds)

    def _watch_circuit(self) -> None:
        if self.legacy.circuit is not None:
            self._around.metrics.circuit(self.legacy.name, self.legacy.circuit != "closed")
