import asyncio
from contextlib import ExitStack

import pytest

from service.engine.leftover import Leftover


async def take_turn(leftover: Leftover, seen: list[str], name: str, hold: asyncio.Event) -> None:
    async with leftover.turn():
        seen.append(f"{name} begins")
        await hold.wait()
    seen.append(f"{name} ends")


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_turn_waits_while_callers_keep_every_core_busy() -> None:
    leftover, seen, hold = Leftover(2), list[str](), asyncio.Event()
    hold.set()
    with leftover.busy():
        with leftover.busy():
            turn = asyncio.create_task(take_turn(leftover, seen, "a", hold))
            await settle()
            assert seen == []
        await turn
    assert seen == ["a begins", "a ends"]


async def test_only_one_turn_is_held_at_a_time() -> None:
    leftover, seen, hold = Leftover(4), list[str](), asyncio.Event()
    turns = [asyncio.create_task(take_turn(leftover, seen, name, hold)) for name in "ab"]
    await settle()
    assert seen == ["a begins"]
    hold.set()
    await asyncio.gather(*turns)
    assert seen == ["a begins", "a ends", "b begins", "b ends"]


async def test_a_turn_that_is_given_up_leaves_the_next_one_its_place() -> None:
    leftover, seen, hold = Leftover(1), list[str](), asyncio.Event()
    hold.set()
    with leftover.busy():
        first = asyncio.create_task(take_turn(leftover, seen, "a", hold))
        second = asyncio.create_task(take_turn(leftover, seen, "b", hold))
        await settle()
        first.cancel()
    await second
    assert seen == ["b begins", "b ends"]


async def test_a_core_counts_as_free_again_after_a_ticket_failed() -> None:
    leftover, seen, hold = Leftover(1), list[str](), asyncio.Event()
    hold.set()
    try:
        with leftover.busy():
            raise ValueError("x")
    except ValueError:
        pass
    await take_turn(leftover, seen, "a", hold)
    assert seen == ["a begins", "a ends"]


async def test_short_work_waits_for_a_quiet_moment_and_holds_no_turn() -> None:
    leftover, seen, hold = Leftover(1), list[str](), asyncio.Event()
    turn = asyncio.create_task(take_turn(leftover, seen, "a", hold))
    await settle()
    await leftover.spare()
    with leftover.busy():
        short = asyncio.create_task(leftover.spare())
        await settle()
        assert not short.done()
    await short
    hold.set()
    await turn


@pytest.mark.parametrize(("capacity", "most"), [(1, 0), (2, 0), (4, 1), (16, 4)])
async def test_a_moment_is_quiet_up_to_a_quarter_of_the_capacity(capacity: int, most: int) -> None:
    leftover = Leftover(capacity)
    with ExitStack() as callers:
        for _ in range(most):
            callers.enter_context(leftover.busy())
        quiet = asyncio.create_task(leftover.spare())
        await settle()
        assert quiet.done()
        callers.enter_context(leftover.busy())
        loud = asyncio.create_task(leftover.spare())
        await settle()
        assert not loud.done()
    await loud


async def test_where_callers_never_leave_short_work_is_let_go_all_the_same() -> None:
    leftover, order = Leftover(2), list[int]()

    async def wait(number: int) -> None:
        await leftover.spare()
        order.append(number)

    with leftover.busy():
        waiters = [asyncio.create_task(wait(number)) for number in range(5)]
        async with asyncio.timeout(30.0):
            await asyncio.gather(*waiters)
    assert order == [0, 1, 2, 3, 4]


async def test_waiters_are_let_go_one_at_a_time_and_a_caller_is_ahead_of_the_rest() -> None:
    leftover, order = Leftover(2), list[int]()

    async def work(number: int) -> None:
        await leftover.spare()
        order.append(number)
        if number == 0:
            callers.enter_context(leftover.busy())

    with ExitStack() as callers:
        waiters = [asyncio.create_task(work(number)) for number in range(3)]
        await settle()
        assert order == [0]
    await asyncio.gather(*waiters)


async def test_a_waiter_that_is_given_up_holds_up_nobody() -> None:
    leftover = Leftover(2)
    with leftover.busy():
        first, second = (asyncio.create_task(leftover.spare()) for _ in "ab")
        await settle()
        first.cancel()
    await second
    assert first.cancelled()
