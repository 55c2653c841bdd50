"""Whose disagreement it is: of which two models, on which tickets."""

import asyncio

from service.shadow.legacy import Said
from tests.service.shadow.legacies import (
    AGREES,
    PRIMARY,
    Prompt,
    Puppet,
    settle,
    stage,
)

WAIT_S = 60.0


async def test_sampling_leaves_the_same_tickets_out_for_every_legacy() -> None:
    one, other = Prompt(name="one"), Prompt(name="other")
    desk = stage(one, other, sample=0.5)
    async with desk.shadow as shadow:
        for number in range(200):
            shadow.offer(desk.asked(ticket_id=f"T-{number}"))
            await asyncio.sleep(0)
        await settle(lambda: not any(lane.pending for lane in shadow._lanes.values()))
        status = shadow.status().legacies["one"]
    asked = [ticket.ticket_id for ticket in one.tickets]
    assert asked == [ticket.ticket_id for ticket in other.tickets]
    assert 60 < len(asked) < 140
    assert status.sampled_out == 200 - len(asked)
    assert desk.sample("harbor_shadow_sampled_out_total", legacy="other") == status.sampled_out


async def test_another_primary_or_another_legacy_starts_the_disagreement_anew() -> None:
    legacy = Prompt({"category": Said("technical")})
    desk = stage(legacy)

    async def route(primary: str) -> int:
        count = len(desk.records)
        desk.shadow.offer(desk.asked(primary))
        await settle(lambda: len(desk.records) == count + 2)
        return desk.shadow.standing()["old"]["category"].disagreement.n

    async with desk.shadow:
        assert [await route(PRIMARY) for _ in range(3)] == [1, 2, 3]
        assert [await route("sha256:next"), await route("sha256:next")] == [1, 2]
        legacy.identity = "sha256:other"
        assert await route("sha256:next") == 1
        assert desk.status().compared == 6


async def test_the_comparison_belongs_to_the_bundle_that_made_the_decision() -> None:
    legacy = Puppet()
    desk = stage(legacy)
    async with desk.shadow as shadow:
        shadow.offer(desk.asked(PRIMARY))
        await settle(lambda: legacy.calls)
        shadow.offer(desk.asked("sha256:next"))
        legacy.calls[0].set_result(AGREES)
        await settle(lambda: desk.records)
        assert shadow.standing()["old"]["category"].disagreement.n == 0
        assert desk.status().compared == 1


async def test_an_answer_of_which_the_model_is_not_known_is_not_compared() -> None:
    legacy = Puppet()
    desk = stage(legacy)
    async with desk.shadow as shadow:
        for _ in range(2):
            shadow.offer(desk.asked())
        await settle(lambda: legacy.calls)
        legacy.identity = "sha256:promoted"
        legacy.calls[0].set_result(AGREES)
        await settle(lambda: len(desk.records) == 4)
    assert desk.outcomes() == {"swapped": 2}
    assert {record.identity for record in desk.records} == {"sha256:old"}
    assert len(legacy.calls) == 1


async def test_a_window_is_filled_from_the_ledger_unless_another_pair_sits_there() -> None:
    desk = stage(Prompt())
    desk.shadow.seed("old", PRIMARY, "category", [True, False, False])
    desk.shadow.seed("old", "sha256:other", "category", [True] * 50)
    async with desk.shadow as shadow:
        shadow.offer(desk.asked())
        await settle(lambda: desk.records)
        found = shadow.standing()["old"]["category"].disagreement
    assert (found.n, found.rate) == (4, 0.25)
    assert desk.sample("harbor_shadow_window_compared", legacy="old", task="category") == 4


async def test_two_legacies_of_one_task_give_the_noise_floor() -> None:
    one = Prompt({"category": Said("billing"), "queue": Said("payments")}, name="one")
    two = Prompt({"category": Said("account")}, name="two", tasks=("category",))
    desk = stage(one, two)
    async with desk.shadow as shadow:
        for _ in range(4):
            shadow.offer(desk.asked())
            await settle(lambda: not any(lane.pending for lane in shadow._lanes.values()))
        (floor,) = shadow.status().noise
    assert (floor.task, floor.one, floor.other) == ("category", "one", "two")
    assert (floor.disagreement.n, floor.disagreement.rate) == (4, 1.0)
    labels = {"task": "category", "one": "one", "other": "two"}
    assert desk.sample("harbor_shadow_noise_disagreed_total", **labels) == 4
