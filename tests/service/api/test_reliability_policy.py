"""The live check where a policy has its say, and where its figures cannot be shown."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry

from service.errors import LedgerUnavailable
from service.metrics import ReliabilityMetrics
from service.metrics.catalogue import Registered
from service.reliability.document import TaskReliability
from service.reliability.watch import Watch
from tests.service.api.watched import gauges, has, label, until, watched


async def test_a_policy_that_leaves_no_promise_ends_its_check_and_another_begins_it_anew(
    promised: Path, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("queue: {human: 0.0, costs: {default: 1}}")
    async with watched(promised, tmp_path, policy=policy) as desk:
        await label(desk, right=0, wrong=30)
        queue = (await until(desk, has(30))).tasks["queue"]
        assert (queue.observed, queue.promise) == (0.0, None)
        assert gauges(desk, "harbor_promise_broken") == {}
        policy.write_text("queue: {suggest: 0.0}")
        await desk.core.bundles.reload()
        await label(desk, right=5, wrong=0, first=30)
        promise = (await until(desk, has(35))).tasks["queue"].promise
        assert (promise.n, promise.observed) == (5, 1.0)


class Unreadable(ReliabilityMetrics):
    """Gauges that cannot be shown the first time."""

    failed = False

    def show(self, tasks: Mapping[str, TaskReliability]) -> None:
        if not self.failed:
            self.failed = True
            raise ValueError("a label that is none")
        super().show(tasks)


async def test_figures_that_cannot_be_shown_are_lost_and_the_check_goes_on(
    promised: Path, tmp_path: Path
) -> None:
    async with watched(promised, tmp_path) as desk:
        core = desk.core
        shown = Unreadable(Registered(CollectorRegistry()))
        watch = Watch(core.ledger, core.bundles, shown, core.log, look_s=0.02, rest=0.0)
        async with watch:
            await label(desk, right=1, wrong=0)
            async with asyncio.timeout(20.0):
                while not shown.failed or not is_known(watch):
                    await label(desk, right=0, wrong=1)
                    await asyncio.sleep(0.02)
        assert "reliability failed" in [line["event"] for line in desk.log]


def is_known(watch: Watch) -> bool:
    """Whether there are figures."""
    with suppress(LedgerUnavailable):
        return bool(watch.standing.tasks)
    return False
