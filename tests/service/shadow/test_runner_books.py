"""Whatever happens in whatever order: every offered answer has exactly one end, everywhere."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from service.shadow.legacy import CircuitOpenError, LegacyFailedError, Said
from tests.service.shadow.legacies import AGREES, Puppet, Stage, Stubborn, stage

NAMES = ("one", "two")
PLATFORM = {"queue": Said("platform")}
ENDS: dict[str, Callable[[asyncio.Future[object]], object]] = {
    "agrees": lambda call: call.set_result(AGREES),
    "differs": lambda call: call.set_result(
        {"category": Said("account"), "queue": Said("platform")}
    ),
    "half": lambda call: call.set_result({"queue": Said("payments", 0.5)}),
    "foreign": lambda call: call.set_result({"category": Said("Zahlung"), "queue": Said("?")}),
    "wrong": lambda call: call.set_result({"category": Said("billing", 7.0), "queue": None}),
    "fails": lambda call: call.set_exception(LegacyFailedError("unreachable")),
    "held": lambda call: call.set_exception(CircuitOpenError("open")),
    "bug": lambda call: call.set_exception(ZeroDivisionError()),
    "cancelled": lambda call: call.cancel(),
}
SAMPLED = st.sampled_from
STEPS = st.lists(
    st.one_of(
        st.tuples(SAMPLED(["offer", "wait", "leave", "glance", "later", "run"]), st.integers(0, 3)),
        st.tuples(SAMPLED(["primary", "identity"]), SAMPLED(["a", "b", "c"])),
        st.tuples(SAMPLED(list(ENDS)), st.integers(0, 7)),
    ),
    max_size=60,
)


@dataclass
class Play:
    """Two legacies, their shadow, and what a random script does to them."""

    desk: Stage
    puppets: tuple[Puppet, ...]
    primary: str = "a"
    callers: list[asyncio.Task[object]] = field(default_factory=list)

    async def step(self, what: str, value: int | str) -> None:
        """One line of the script."""
        if what in ENDS:
            calls = [call for puppet in self.puppets for call in puppet.unanswered]
            if calls:
                ENDS[what](calls[int(value) % len(calls)])
        elif what == "primary":
            self.primary = str(value)
        elif what == "identity":
            self.puppets[0].identity = str(value)
        else:
            await getattr(self, f"_{what}")(int(value))

    async def _offer(self, count: int) -> None:
        for _ in range(count):
            self.desk.shadow.offer(self.desk.asked(self.primary, ticket_id=str(count)))

    async def _wait(self, _: int) -> None:
        answers = self.desk.shadow.answers(self.desk.asked(self.primary), 60.0)
        self.callers.append(asyncio.create_task(answers))

    async def _glance(self, _: int) -> None:
        await self.desk.shadow.answers(self.desk.asked(self.primary), 0.0)

    async def _leave(self, _: int) -> None:
        if self.callers:
            self.callers.pop().cancel()

    async def _later(self, seconds: int) -> None:
        self.desk.clock.now_s += 4.0 * seconds

    async def _run(self, turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)


def check(desk: Stage) -> None:
    """The equation holds, and status, metrics and ledger tell the same."""
    status, totals = desk.shadow.status(), desk.totals()
    for name in NAMES:
        legacy = status.legacies[name]
        assert totals.get(("harbor_shadow_pending", name, ""), 0) == legacy.pending
        for task, found in legacy.tasks.items():
            ended = Counter(found.dropped) + Counter(found.failed)
            assert found.offered == found.compared + ended.total() + found.pending
            # All tasks of a ticket end together.
            assert found.pending in (0, legacy.pending)
            assert desk.outcomes(name, task) == ended + Counter(compared=found.compared)
            assert _counted(totals, name, task) == {
                "offered": found.offered,
                "compared": found.compared,
                "disagreed": found.disagreed,
                "dropped": sum(found.dropped.values()),
                "failed": sum(found.failed.values()),
                "labels": found.compared,
            }


def _counted(totals: dict[tuple[str, str, str], float], legacy: str, task: str) -> dict[str, float]:
    kinds = ("offered", "compared", "disagreed", "dropped", "failed", "labels")
    return {kind: totals.get((f"harbor_shadow_{kind}_total", legacy, task), 0) for kind in kinds}


@given(script=STEPS, sample=SAMPLED([1.0, 0.5]), queue=st.integers(1, 4))
@settings(max_examples=100, deadline=None)
def test_offered_is_compared_dropped_failed_or_pending_at_every_moment(
    script: list[tuple[str, int | str]], sample: float, queue: int
) -> None:
    async def play() -> None:
        puppets = (Puppet("one", concurrency=2), Stubborn("two", tasks=("queue", "category")))
        desk = stage(*puppets, sample=sample, queue=queue, max_age_s=10.0, window=5)
        acting = Play(desk, puppets)
        async with desk.shadow:
            for what, value in script:
                await acting.step(what, value)
                check(desk)
        check(desk)
        assert all(lane.pending == 0 for lane in desk.shadow._lanes.values())
        keys = [(one.decision_id, one.legacy, one.task) for one in desk.records]
        assert len(keys) == len(set(keys))
        await asyncio.gather(*acting.callers, return_exceptions=True)

    asyncio.run(play())
