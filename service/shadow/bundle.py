"""A ticket comes in; what an in-process bundle says to it goes out, computed on leftover capacity.

Shapes: C classes of a task.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from service.bundle import Bundle
from service.contract.tasks import Task
from service.contract.ticket import Ticket, render
from service.engine.answer import Answer
from service.engine.leftover import Leftover
from service.errors import DeadlineExceeded, ServiceError
from service.ledger.records import Role
from service.shadow.config import Kind, LegacyConfig, check_tasks
from service.shadow.legacy import LegacyFailedError, Said
from service.shadow.translation import Translation

Lease = Callable[[], AbstractContextManager[Bundle]]
"""Lends the bundle that sits in the shadow's seat now."""


class BundleLegacy:
    """The bundle in the shadow's seat as a `Legacy`; whoever owns the seat opens and closes it.

    A promotion seats another bundle there and turns the role round: identity and translation follow
    at once. Within one call of `ask` one bundle answers, that which sat there when it was called.
    """

    def __init__(
        self,
        config: LegacyConfig,
        lease: Lease,
        role: Callable[[], Role],
        leftover: Leftover,
        primary: Callable[[], Sequence[Task]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """config: of kind `bundle`. role: of what sits in the seat now. primary: tasks of the
        bundle that answers now. clock: the engine's, in seconds.
        """
        self._config = config
        self._lease = lease
        self._role = role
        self._leftover = leftover
        self._primary = primary
        self._clock = clock
        self._translation = Translation(config.labels, primary)

    @property
    def name(self) -> str:
        """As configured."""
        return self._config.name

    @property
    def kind(self) -> Kind:
        """Always `bundle`."""
        return "bundle"

    @property
    def identity(self) -> str:
        """Digest of the bundle in the seat."""
        with self._lease() as bundle:
            return bundle.digest

    @property
    def role(self) -> Role:
        """Of the bundle in the seat."""
        return self._role()

    @property
    def tasks(self) -> tuple[str, ...]:
        """As configured, or else what the bundle in the seat shares with the one that answers."""
        if self._config.tasks is not None:
            return self._config.tasks
        own = {task.name for task in self._own()}
        return tuple(task.name for task in self._primary() if task.name in own)

    @property
    def concurrency(self) -> int:
        """One ticket at a time: it runs on what callers leave over."""
        return 1

    @property
    def circuit(self) -> None:
        """There is no breaker: nothing is sent anywhere."""
        return

    def translate(self, task: str, label: str) -> str | None:
        """Its label in the words of the bundle that answers; None where nobody said how."""
        if self._is_turned:
            return self._translation.back(task, label)
        return self._translation(task, label)

    async def ask(self, ticket: Ticket) -> Mapping[str, Said]:
        """What the bundle says: of each task the likeliest label and its calibrated confidence.

        Begins once the callers leave a core over, then takes at most the configured time. Raises
        LegacyFailedError.
        """
        try:
            with self._lease() as bundle:
                answer = await self._answer(ticket, bundle)
                return {task.name: _likeliest(task, answer) for task in bundle.tasks}
        except DeadlineExceeded:
            raise LegacyFailedError("timeout") from None
        except ServiceError as error:
            raise LegacyFailedError("crashed", error.code) from error

    async def __aenter__(self) -> Self:
        """Raises ShadowRefused where the two bundles do not fit."""
        sides = [self._primary(), self._own()]
        primary, own = reversed(sides) if self._is_turned else sides
        check_tasks(self._config, primary, own)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """There is nothing of its own to close."""

    @property
    def _is_turned(self) -> bool:
        """Whether the two bundles sit the other way round than the configuration says."""
        return self._role() != self._config.role

    def _own(self) -> Sequence[Task]:
        with self._lease() as bundle:
            return bundle.tasks

    async def _answer(self, ticket: Ticket, bundle: Bundle) -> Answer:
        async with self._leftover.turn():
            tokens = bundle.tokenizer.encode(render(ticket.subject, ticket.body))
            deadline = self._clock() + self._config.timeout_s
            return await bundle.engine.submit(tokens, deadline, "bulk")


def _likeliest(task: Task, answer: Answer) -> Said:
    """Of equal probabilities the first label wins, and six decimals count, as in a reply."""
    probabilities_C = answer.probabilities[task.name]
    best = int(probabilities_C.argmax())
    return Said(task.labels[best], round(float(probabilities_C[best]), 6))
