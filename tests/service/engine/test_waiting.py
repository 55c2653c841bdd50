"""The sorted line against a plain sorted list."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.engine.waiting import Entry, WaitingLine
from tests.service.engine.sessions import ticket


def _entry(length: int, number: int, deadline: float = 1e9) -> Entry[int]:
    return Entry(ticket(length), deadline, 1.0, float(number), number, due=number % 7 + 0.5)


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=40))
def test_the_line_stays_sorted_through_any_adds_and_removes(
    steps: list[tuple[int, bool]],
) -> None:
    line: WaitingLine[int] = WaitingLine()
    plain: list[Entry[int]] = []
    for number, (length, remove) in enumerate(steps):
        entry = _entry(length, number)
        line.add(entry)
        plain.append(entry)
        if remove:
            victim = plain.pop(length % len(plain))
            assert line.remove(victim)
            assert not line.remove(victim)
        plain.sort(key=lambda held: (len(held.tokens), held.payload))
        assert line.tokens == sum(len(held.tokens) for held in plain)
        np.testing.assert_array_equal(line.lengths, [len(held.tokens) for held in plain])
        np.testing.assert_array_equal(line.dues, [held.due for held in plain])
        near = line.due_until(number / 2)
        assert [held.due for held in near] == sorted(held.due for held in near)
        assert {*near} == {held for held in plain if held.due <= number / 2}
        assert [line.position(held) for held in plain] == list(range(len(plain)))
        assert not plain or line.earliest_due == min(held.due for held in plain)
    assert line.take(0, len(line)) == plain


def test_expired_entries_leave_and_the_others_keep_their_order() -> None:
    line: WaitingLine[int] = WaitingLine()
    for number, deadline in enumerate((5.0, 1.0, 5.0, 1.0, 1.0, 5.0)):
        line.add(_entry(3, number, deadline))
    assert sorted(entry.payload for entry in line.take_expired(now=1.0)) == [1, 3, 4]
    assert [entry.payload for entry in line.take(0, len(line))] == [0, 2, 5]
