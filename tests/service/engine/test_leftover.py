import asyncio

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


async def test_short_work_waits_for_a_free_core_and_holds_no_turn() -> None:
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
