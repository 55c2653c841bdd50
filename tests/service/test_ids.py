"""Ids: ULIDs by the specification, unique, sorted by time."""

import time
from concurrent.futures import ThreadPoolExecutor

from ulid import ULID

from service.ids import new_id


def test_an_id_is_a_ulid_of_this_moment() -> None:
    before = time.time_ns() // 1_000_000
    found = ULID.from_str(new_id())
    assert before <= found.milliseconds <= time.time_ns() // 1_000_000
    assert len(str(found)) == 26


def test_ids_are_unique_over_threads() -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: new_id(), range(8000)))
    assert len(set(found)) == len(found)


def test_later_ids_sort_behind_earlier_ones() -> None:
    first = new_id()
    until = time.time_ns() + 2_000_000
    while time.time_ns() < until:
        pass
    assert first[:10] < new_id()[:10]
