"""The seats on record: what a restart finds, however the store fared meanwhile."""

import asyncio
import io
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import LedgerUnavailable
from service.ledger.records import Seating
from service.logs import open_log
from service.seats import SeatRecord, exchanges


def seating(primary: str, shadow: str, swapped: bool = True, action: str = "promote") -> Seating:
    return Seating(
        at=0.0, action=action, legacy="old", primary=primary, shadow=shadow,
        configured_primary="/a", configured_shadow="/b", swapped=swapped, by="ada", reason="",
        forced=False, evidence="null",
    )  # fmt: skip


def seated(seatings: Sequence[Seating]) -> str:
    """Who answers after a restart with `a` configured to answer and `b` in shadow."""
    return "b" if len(list(exchanges(seatings))) % 2 else "a"


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=12), st.booleans())
def test_a_restart_finds_who_answered_at_the_last_decision_on_record(
    decisions: list[tuple[bool, bool]], last_swapped: bool
) -> None:
    primary, shadow = "a", "b"
    kept = []
    for swapped, recorded in [*decisions, (last_swapped, True)]:
        if swapped:
            primary, shadow = shadow, primary
        # The first is on record: before it nothing tells of an exchange.
        if recorded or not kept:
            kept.append(seating(primary, shadow, swapped))
    assert seated(kept) == primary


def test_the_same_promotion_on_two_servers_counts_once() -> None:
    assert seated([seating("b", "a"), seating("b", "a")]) == "b"


def test_a_model_that_was_replaced_at_its_path_keeps_the_seat_of_its_path() -> None:
    assert seated([seating("b", "a"), seating("c", "a", swapped=False)]) == "b"


class Kept:
    """Stands in for the ledger: a list of seatings that can be out of reach."""

    on = True

    def __init__(self, *newest: Seating, up: bool) -> None:
        self.kept, self.up = list(newest), up

    async def read(self, function: Callable[[Any], Any]) -> Any:
        if not self.up:
            raise LedgerUnavailable("down")
        return function(self)

    def seatings(self, limit: int) -> list[Seating]:
        return self.kept[:limit]

    def seat(self, seating: Seating) -> None:
        self.kept.insert(0, seating)


class Restored:
    """Notes what is restored."""

    def __init__(self) -> None:
        self.found: list[Seating] | None = None
        self.done = asyncio.Event()

    async def __call__(self, newest: Sequence[Seating]) -> None:
        self.found = list(newest)
        self.done.set()


def record(ledger: Any, restored: Restored) -> SeatRecord:
    return SeatRecord(ledger, open_log(io.StringIO(), "info"), restored, retry_s=0.001)


async def test_seats_that_could_not_be_read_at_the_start_are_restored_once_the_store_is_back() -> (
    None
):
    ledger, restored = Kept(seating("b", "a"), up=False), Restored()
    async with record(ledger, restored):
        assert restored.found is None
        ledger.up = True
        await asyncio.wait_for(restored.done.wait(), 30)
    assert restored.found == [seating("b", "a")]


async def test_a_roll_back_while_the_store_is_down_is_recorded_once_it_is_back() -> None:
    ledger, restored = Kept(seating("b", "a"), up=True), Restored()
    back = seating("a", "b", action="rollback")
    async with record(ledger, restored) as seats:
        ledger.up = False
        async with seats.turn():
            assert not await seats.add(back, must=False)
        ledger.up = True
        async with seats.turn():
            assert ledger.kept == [back, seating("b", "a")]


async def test_a_decision_on_unknown_seats_is_not_undone_by_what_is_on_record() -> None:
    ledger, restored = Kept(seating("b", "a"), up=False), Restored()
    async with record(ledger, restored) as seats:
        async with seats.turn():
            await seats.add(seating("a", "b", swapped=False, action="rollback"), must=False)
        ledger.up = True
        async with seats.turn():
            assert restored.found is None
    assert seated(ledger.kept[::-1]) == "a"


async def test_a_decision_that_must_be_on_record_fails_without_the_store() -> None:
    ledger = Kept(up=False)
    async with record(ledger, Restored()) as seats, seats.turn():
        with pytest.raises(LedgerUnavailable):
            await seats.add(seating("b", "a"), must=True)
    assert ledger.kept == []
