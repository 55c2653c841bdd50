"""A front and a core over a real socket: seats, losses, deadlines, counts."""

import asyncio
import time
from pathlib import Path

import pytest

from service.contract.ticket import render
from service.contract.tokens import Tokens
from service.core import Core
from service.errors import DeadlineExceeded, NotReady, Overloaded
from service.front.front import Front, create_front
from tests.service.desk import Desk, serving
from tests.service.ledger.made import decision
from tests.service.link.linking import at, linked
from tests.tiny_bundle import write_bundle


def tokens_of(front: Front, text: str = "refund please") -> Tokens:
    with front.bundles.lease() as bundle:
        return bundle.tokenizer.encode(render("", text))


async def test_a_front_answers_as_the_core_does(desk: Desk, tmp_path: Path) -> None:
    async with linked(desk.core, tmp_path) as front:
        tokens = tokens_of(front)
        with front.bundles.lease() as far, desk.core.bundles.lease() as near:
            assert (far.digest, far.manifest, far.rules.keys()) == (
                near.digest, near.manifest, near.rules.keys(),
            )  # fmt: skip
            deadline = time.monotonic() + 10
            one = await far.engine.submit(tokens, deadline)
            other = await near.engine.submit(tokens, deadline)
    for task in near.tasks:
        assert one.probabilities[task.name].tolist() == other.probabilities[task.name].tolist()


async def test_a_bundle_that_is_replaced_is_held_until_the_last_ticket_of_a_front(
    bundle: Path, tmp_path: Path
) -> None:
    second = write_bundle(tmp_path / "second", version="test-9", seed=9)
    async with serving(bundle) as desk, linked(desk.core, tmp_path) as front:
        with front.bundles.lease() as old:
            held = desk.core.bundles._held()
            await desk.core.bundles.swap(second)
            with front.bundles.lease() as new:
                assert (old.manifest.version, new.manifest.version) == ("test-1", "test-9")
            assert held.leases == 1
            answer = await old.engine.submit(tokens_of(front), time.monotonic() + 10)
            assert answer.probabilities
        async with asyncio.timeout(10):
            await held.free.wait()


async def test_what_was_asked_of_one_core_the_next_does_not_answer(
    bundle: Path, tmp_path: Path
) -> None:
    other = write_bundle(tmp_path / "other", version="test-b", seed=5)
    path = tmp_path / "core"
    async with serving(bundle) as one, serving(other, drain_s=0.1) as two:
        front = create_front(one.core.settings, "1", path, one.core.log)
        async with front.bundles:
            async with at(path, one.core), asyncio.timeout(10):
                await front.bundles.seated.wait()
                lease = front.bundles.lease()
                old = lease.__enter__()
                tokens = old.tokenizer.encode("refund please")
                front.metrics.ticket("ok")
                assert 'harbor_tickets_total{outcome="ok"} 1.0' in await _read(one.core)
                front.bundles._wire._transport.abort()  # type: ignore[union-attr]
                while front.bundles.seated.is_set():  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
            async with at(path, two.core), asyncio.timeout(10):
                await front.bundles.seated.wait()
                with pytest.raises(NotReady):
                    await old.engine.submit(tokens, time.monotonic() + 10)
                lease.__exit__(None, None, None)
                with front.bundles.lease() as new:
                    assert new.manifest.version == "test-b"
                    assert await new.engine.submit(tokens, time.monotonic() + 10)
                front.metrics.ticket("ok")
                assert 'harbor_tickets_total{outcome="ok"} 1.0' in await _read(two.core)


async def _read(core: Core) -> str:
    return (await core.metrics.read()).decode()


async def test_without_a_core_all_fails_at_once_and_goes_on_when_it_is_back(
    desk: Desk, tmp_path: Path
) -> None:
    async with linked(desk.core, tmp_path) as front:
        tokens = tokens_of(front)
        with front.bundles.lease() as bundle:
            guest_wire = front.bundles._wire
            assert guest_wire is not None
            asking = asyncio.create_task(bundle.engine.submit(tokens, time.monotonic() + 10))
            await asyncio.sleep(0)
            assert guest_wire._transport is not None
            guest_wire._transport.abort()
            with pytest.raises(NotReady):
                await asking
            with pytest.raises(NotReady):
                await bundle.engine.submit(tokens, time.monotonic() + 10)
        with pytest.raises(NotReady), front.bundles.lease():
            pytest.fail("there is no bundle")
        async with asyncio.timeout(10):
            await front.bundles.seated.wait()
        with front.bundles.lease() as bundle:
            assert await bundle.engine.submit(tokens, time.monotonic() + 10)


class Silent:
    """An engine that never answers, and knows how many were given up on."""

    depth, predicted_wait_s = 5, 0.25

    def __init__(self) -> None:
        self.asked, self.left = asyncio.Event(), 0

    async def submit(self, *_: object) -> None:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left += 1


async def test_a_caller_who_leaves_and_a_front_that_is_lost_take_their_tickets_along(
    bundle: Path, tmp_path: Path
) -> None:
    engine = Silent()
    async with serving(bundle, engine) as desk, linked(desk.core, tmp_path) as front:
        tokens = tokens_of(front)
        with front.bundles.lease() as seat:
            for end in ("leave", "lose"):
                engine.asked.clear()
                asking = asyncio.create_task(seat.engine.submit(tokens, time.monotonic() + 60))
                await engine.asked.wait()
                left = engine.left
                if end == "leave":
                    asking.cancel()
                else:
                    wire = front.bundles._wire
                    assert wire is not None
                    assert wire._transport is not None
                    wire._transport.abort()
                await asyncio.gather(asking, return_exceptions=True)
                async with asyncio.timeout(10):
                    while engine.left == left:  # noqa: ASYNC110
                        await asyncio.sleep(0.005)


async def test_a_core_that_hangs_is_not_waited_for_beyond_the_deadline(
    bundle: Path, tmp_path: Path
) -> None:
    async with serving(bundle, Silent()) as desk, linked(desk.core, tmp_path) as front:
        with front.bundles.lease() as seat, pytest.raises(DeadlineExceeded):
            await seat.engine.submit(tokens_of(front), time.monotonic() + 0.05)


class Crowded:
    """An engine whose queue is full."""

    depth, predicted_wait_s = 1024, 2.5

    async def submit(self, *_: object) -> None:
        await asyncio.sleep(0.05)
        raise Overloaded("1024 tickets wait already", self.predicted_wait_s)


async def test_while_a_front_awaits_answers_it_knows_how_full_the_queue_is(
    bundle: Path, tmp_path: Path
) -> None:
    async with serving(bundle, Crowded()) as desk, linked(desk.core, tmp_path) as front:
        tokens, deadline = tokens_of(front), time.monotonic() + 10
        with front.bundles.lease() as seat:
            assert seat.engine.depth == 0
            with pytest.raises(Overloaded):
                await seat.engine.submit(tokens, deadline)
            assert seat.engine.depth == 0
            asking = asyncio.create_task(seat.engine.submit(tokens, deadline))
            await asyncio.sleep(0)
            assert (seat.engine.depth, seat.engine.predicted_wait_s) == (1024, 2.5)
            await asyncio.gather(asking, return_exceptions=True)


async def test_what_fronts_count_is_summed_and_stays_when_they_are_gone(
    desk: Desk, tmp_path: Path
) -> None:
    core = desk.core
    core.metrics.ticket("ok")
    async with linked(core, tmp_path, "7") as one, linked(core, tmp_path, "8") as two:
        for front, count in ((one, 2), (two, 3)):
            for _ in range(count):
                front.metrics.ticket("ok")
                front.metrics.request("route", "ok", 0.004)
        two.metrics.ticket("closing")
        text = (await core.metrics.read()).decode()
        assert 'harbor_tickets_total{outcome="ok"} 6.0' in text
        assert 'harbor_tickets_total{outcome="closing"} 1.0' in text
        assert 'harbor_request_seconds_bucket{endpoint="route",le="0.005"} 5.0' in text
        assert 'harbor_request_seconds_count{endpoint="route"} 5.0' in text
        assert 'harbor_front_resident_bytes{front="7"}' in text
        one.metrics.ticket("ok")
    text = (await core.metrics.read()).decode()
    assert 'harbor_tickets_total{outcome="ok"} 7.0' in text
    async with linked(core, tmp_path, "9") as again:
        again.metrics.ticket("ok")
        text = (await core.metrics.read()).decode()
    assert 'harbor_tickets_total{outcome="ok"} 8.0' in text
    assert "harbor_front_restarts_total 0.0" in text


async def test_a_front_that_follows_a_lost_one_is_counted(desk: Desk, tmp_path: Path) -> None:
    for _ in range(2):
        folder = tmp_path / str(time.monotonic_ns())
        folder.mkdir()
        async with linked(desk.core, folder, "4"):
            pass
    assert "harbor_front_restarts_total 1.0" in (await desk.core.metrics.read()).decode()


async def test_a_decision_reaches_the_ledger_though_the_front_leaves_at_once(
    bundle: Path, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    async with serving(bundle, ledger=url) as desk:
        async with linked(desk.core, tmp_path) as front:
            for number in range(20):
                await front.witness.see(decision(number, at=time.time()), None, None)
        await desk.core.ledger.flush()
        forgotten = await desk.core.ledger.forget("t19", everything=True)
    assert forgotten.decisions == 1
