import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.bundle import Bundle
from service.contract.tasks import Task
from service.contract.ticket import Ticket, render
from service.decisions import decide
from service.engine.leftover import Leftover
from service.errors import DeadlineExceeded, InferenceFailed, NotReady, ShadowRefused
from service.ledger.records import Role
from service.opening import open_bundle
from service.settings import Settings
from service.shadow.bundle import BundleLegacy
from service.shadow.config import parse_shadow
from service.shadow.legacy import LegacyFailedError
from tests.service.desk import Failing
from tests.tiny_bundle import write_bundle

TICKET = Ticket(subject="Invoice twice", body="I was charged twice, please refund")
TASKS = (
    Task(name="category", labels=("Billing & Invoices", "technical", "account")),
    Task(name="mood", labels=("good", "bad")),
)
OURS = (
    Task(name="category", labels=("billing", "technical", "account")),
    Task(name="queue", labels=("payments", "platform")),
)
LABELS = {"category": {"Billing & Invoices": "billing"}}


class Seats:
    """A primary and a shadow's seat, which may be exchanged."""

    def __init__(self, primary: Bundle, shadow: Bundle) -> None:
        self.primary, self.shadow = primary, shadow
        self.role: Role = "incumbent"
        self.leases = 0

    @contextmanager
    def lease(self) -> Iterator[Bundle]:
        self.leases += 1
        try:
            yield self.shadow
        finally:
            self.leases -= 1

    def exchange(self) -> None:
        self.primary, self.shadow = self.shadow, self.primary
        self.role = "challenger" if self.role == "incumbent" else "incumbent"


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    parent = tmp_path_factory.mktemp("seats")
    return (
        write_bundle(parent / "new", tasks=OURS, version="new", seed=1),
        write_bundle(parent / "old", tasks=TASKS, version="old", seed=2),
    )


@pytest.fixture
async def seats(directories: tuple[Path, Path]) -> AsyncIterator[Seats]:
    new, old = (
        open_bundle(path, Settings(bundle=path, sessions=1, provider="cpu")) for path in directories
    )
    async with new.engine, old.engine:
        yield Seats(new, old)


@pytest.fixture
def leftover() -> Leftover:
    return Leftover(1)


Build = Callable[..., BundleLegacy]


@pytest.fixture
def build(seats: Seats, leftover: Leftover) -> Build:
    def build(clock: Callable[[], float] | None = None, **changes: Any) -> BundleLegacy:
        document = {"legacies": [{"name": "old", "bundle": "old", "labels": LABELS, **changes}]}
        config = parse_shadow(document, "shadow.yaml").legacies[0]
        timed = {} if clock is None else {"clock": clock}
        return BundleLegacy(
            config,
            seats.lease,
            lambda: seats.role,
            leftover,
            lambda: seats.primary.tasks,
            **timed,
        )

    return build


async def test_it_says_what_the_bundle_would_reply(seats: Seats, build: Build) -> None:
    async with build(timeout_s=60) as legacy:
        said = await legacy.ask(TICKET)

    bundle = seats.shadow
    tokens = bundle.tokenizer.encode(render(TICKET.subject, TICKET.body))
    answer = await bundle.engine.submit(tokens, float("inf"))
    for task in bundle.tasks:
        reply = decide(bundle.rules[task.name], answer.probabilities[task.name])
        assert said[task.name].label == reply.label
        assert said[task.name].confidence == pytest.approx(reply.confidence, abs=1e-5)


async def test_it_waits_until_callers_leave_a_core_over(
    seats: Seats, build: Build, leftover: Leftover
) -> None:
    with leftover.busy():
        asking = asyncio.create_task(build(timeout_s=60).ask(TICKET))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not asking.done()
        assert seats.shadow.engine.depth == 0

    assert await asking


async def test_a_cancelled_call_gives_its_lease_and_its_turn_back(
    seats: Seats, build: Build, leftover: Leftover
) -> None:
    with leftover.busy():
        asking = asyncio.create_task(build().ask(TICKET))
        await asyncio.sleep(0)
        assert seats.leases == 1
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    assert seats.leases == 0
    assert await build(timeout_s=60).ask(TICKET)


async def test_the_time_it_may_take_begins_with_its_turn(
    seats: Seats, build: Build, leftover: Leftover
) -> None:
    engine = Remembering()
    seats.shadow = replace(seats.shadow, engine=engine)  # type: ignore[arg-type]
    now = [100.0]
    with leftover.busy():
        asking = asyncio.create_task(build(clock=lambda: now[0], timeout_s=3).ask(TICKET))
        await asyncio.sleep(0)
        now[0] = 500.0

    with pytest.raises(LegacyFailedError):
        await asking
    assert engine.asked == [(503.0, "bulk")]


class Remembering:
    """An engine that notes what it is asked, and has no answer."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, str]] = []

    async def submit(self, _: object, deadline: float, priority: str) -> None:
        self.asked.append((deadline, priority))
        raise DeadlineExceeded("no time")


@pytest.mark.parametrize(
    ("error", "reason"),
    [(DeadlineExceeded("late"), "timeout"), (InferenceFailed("broken"), "crashed")],
)
async def test_a_failing_engine_is_a_reason(
    seats: Seats, build: Build, error: Exception, reason: str
) -> None:
    seats.shadow = replace(seats.shadow, engine=Failing(error))  # type: ignore[arg-type]

    with pytest.raises(LegacyFailedError) as caught:
        await build().ask(TICKET)

    assert caught.value.reason == reason


async def test_an_empty_seat_is_a_reason(seats: Seats, leftover: Leftover) -> None:
    @contextmanager
    def empty() -> Iterator[Bundle]:
        raise NotReady("no bundle is loaded")
        yield

    document = {"legacies": [{"name": "old", "bundle": "old"}]}
    config = parse_shadow(document, "shadow.yaml").legacies[0]
    legacy = BundleLegacy(config, empty, lambda: "incumbent", leftover, lambda: seats.primary.tasks)

    with pytest.raises(LegacyFailedError):
        await legacy.ask(TICKET)


async def test_an_exchange_of_seats_turns_everything_round(seats: Seats, build: Build) -> None:
    async with build() as legacy:
        new, old = seats.primary.digest, seats.shadow.digest
        assert (legacy.identity, legacy.role) == (old, "incumbent")
        assert legacy.translate("category", "Billing & Invoices") == "billing"
        assert legacy.translate("category", "billing") == "billing"

        seats.exchange()

        assert (legacy.identity, legacy.role) == (new, "challenger")
        assert legacy.translate("category", "billing") == "Billing & Invoices"
        assert legacy.translate("category", "technical") == "technical"
        assert set(await legacy.ask(TICKET)) == {"category", "queue"}


async def test_a_start_with_exchanged_seats_is_no_fault(seats: Seats, build: Build) -> None:
    seats.exchange()

    async with build() as legacy:
        assert legacy.tasks == ("category",)


async def test_the_tasks_are_those_that_both_have(build: Build) -> None:
    assert build().tasks == ("category",)


async def test_the_tasks_may_be_named(build: Build) -> None:
    async with build(tasks=["category"]) as legacy:
        assert legacy.tasks == ("category",)
        assert (legacy.name, legacy.kind, legacy.concurrency) == ("old", "bundle", 1)


async def test_a_task_that_it_has_not_is_refused_at_the_start(build: Build) -> None:
    with pytest.raises(ShadowRefused, match="it has no task queue"):
        async with build(tasks=["queue"], labels={}):
            pass


async def test_an_exchange_in_the_middle_of_a_call_changes_nothing_for_it(
    seats: Seats, build: Build, leftover: Leftover
) -> None:
    with leftover.busy():
        asking = asyncio.create_task(build(timeout_s=60).ask(TICKET))
        await asyncio.sleep(0)
        seats.exchange()

    assert set(await asking) == {"category", "mood"}
