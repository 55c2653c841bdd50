"""Legacies that do as a test says, and a shadow around them with its books in reach."""

import asyncio
import io
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from prometheus_client import CollectorRegistry

from service.contract.tasks import Task
from service.contract.ticket import Ticket
from service.ledger.records import Comparison, Role
from service.logs import open_log
from service.metrics import ShadowMetrics
from service.metrics.catalogue import Registered
from service.shadow.config import ShadowConfig, parse_shadow
from service.shadow.documents import LegacyTaskStatus
from service.shadow.legacy import Said
from service.shadow.runner import Asked, Shadow, at_once

CATEGORY = Task(name="category", labels=("billing", "technical", "account"))
QUEUE = Task(name="queue", labels=("payments", "platform"))
TASKS = (CATEGORY, QUEUE)
PRIMARY = "sha256:primary"
REPLY = {"category": ("billing", 0.9), "queue": ("payments", 0.8)}
AGREES = {"category": Said("billing", 0.7), "queue": Said("payments", 0.6)}


class Puppet:
    """A legacy whose every answer the test gives, by the future in `calls`."""

    def __init__(
        self,
        name: str = "old",
        *,
        tasks: tuple[str, ...] = ("category", "queue"),
        concurrency: int = 1,
        role: Role = "incumbent",
    ) -> None:
        self.name, self.tasks, self.concurrency, self.role = name, tasks, concurrency, role
        self.kind = "json"
        self.identity = f"sha256:{name}"
        self.circuit: Literal["closed", "open", "half_open"] | None = None
        self.tickets: list[Ticket] = []
        self.calls: list[asyncio.Future[Any]] = []
        self.is_open = False

    @property
    def unanswered(self) -> list[asyncio.Future[Any]]:
        """Calls that wait for the test."""
        return [call for call in self.calls if not call.done()]

    def translate(self, task: str, label: str) -> str | None:
        known = {one.name: one.labels for one in TASKS}
        return label if label in known[task] else None

    async def ask(self, ticket: Ticket) -> Mapping[str, Said]:
        self.tickets.append(ticket)
        self.calls.append(asyncio.get_running_loop().create_future())
        answer: Mapping[str, Said] = await self.calls[-1]
        return answer

    async def __aenter__(self) -> Self:
        self.is_open = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self.is_open = False


class Prompt(Puppet):
    """Answers at once, the same to every ticket, or raises."""

    def __init__(self, answer: Mapping[str, Said] | Exception = AGREES, **given: Any) -> None:
        super().__init__(**given)
        self.answer = answer

    async def ask(self, ticket: Ticket) -> Mapping[str, Said]:
        self.tickets.append(ticket)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Stubborn(Puppet):
    """Turns its first cancellation into an answer."""

    async def ask(self, ticket: Ticket) -> Mapping[str, Said]:
        try:
            return await super().ask(ticket)
        except asyncio.CancelledError:
            return AGREES


@dataclass
class Clock:
    """Stands still until a test moves it; in seconds."""

    now_s: float = 100.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Stage:
    """A shadow with everything that it writes to."""

    shadow: Shadow
    registry: CollectorRegistry
    records: list[Comparison]
    clock: Clock
    stream: io.StringIO
    numbers: list[int] = field(default_factory=list)

    def asked(self, primary: str = PRIMARY, **ticket: Any) -> Asked:
        """A routed ticket, another one each time."""
        self.numbers.append(len(self.numbers))
        return Asked(f"decision-{len(self.numbers)}", Ticket(**ticket), REPLY, primary, 1000.0)

    def status(self, task: str = "category", legacy: str = "old") -> LegacyTaskStatus:
        """What the shadow says of one task."""
        return self.shadow.status().legacies[legacy].tasks[task]

    def outcomes(self, legacy: str = "old", task: str = "category") -> Counter[str]:
        """What the ledger got, by reason; compared answers under `compared`."""
        kept = [one for one in self.records if (one.legacy, one.task) == (legacy, task)]
        return Counter(one.reason or one.outcome for one in kept)

    def sample(self, name: str, **labels: str) -> float:
        """A metric's value; 0 where there is none."""
        return self.registry.get_sample_value(name, labels) or 0.0

    def totals(self) -> dict[tuple[str, str, str], float]:
        """Every counter's sum by (metric, legacy, task), over its other labels."""
        sums: dict[tuple[str, str, str], float] = {}
        for family in self.registry.collect():
            for name, labels, value, *_ in family.samples:
                key = (name, labels.get("legacy", ""), labels.get("task", ""))
                sums[key] = sums.get(key, 0.0) + value
        return sums

    @property
    def log(self) -> list[dict[str, Any]]:
        """What was logged so far."""
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


def stage(
    *legacies: Puppet,
    record: Callable[[Comparison], None] | None = None,
    spare: Callable[[], Awaitable[None]] = at_once,
    **keys: Any,
) -> Stage:
    """A shadow that is not open yet. keys: of the configuration."""
    registry, clock, stream = CollectorRegistry(), Clock(), io.StringIO()
    records: list[Comparison] = []
    shadow = Shadow(
        configuration(**keys),
        legacies,
        lambda: TASKS,
        ShadowMetrics(Registered(registry)),
        record or records.append,
        open_log(stream),
        clock,
        spare,
    )
    return Stage(shadow, registry, records, clock, stream)


def configuration(**keys: Any) -> ShadowConfig:
    """A valid shadow; of its legacies the tests bring their own."""
    line = {"name": "unused", "bundle": "nowhere"}
    return parse_shadow({"legacies": [line], **keys}, "test")


async def settle(condition: Callable[[], object]) -> None:
    """Lets the event loop run until the condition holds."""
    while not condition():  # noqa: ASYNC110 - what is waited for sets no event.
        await asyncio.sleep(0)
