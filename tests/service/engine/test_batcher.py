"""What the batcher gives out, in which order, and what it refuses; the clock is the test's."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engine.batcher import WEIGHTS, Batch, Batcher, Limits
from service.engine.cost import CostModel
from service.errors import Closing, Overloaded
from tests.service.engine.sessions import Clock, ticket

FAR_S = 1e12


def _batcher(limits: Limits | None = None, clock: Clock | None = None) -> Batcher[int]:
    return Batcher(limits or Limits(), CostModel(), clock=clock or Clock())


def _drain(batcher: Batcher[int]) -> list[Batch[int]]:
    return list(iter(batcher.poll, None))


@given(
    st.lists(st.integers(1, 300), min_size=1, max_size=80),
    st.integers(1, 16),
    st.integers(1, 1000),
)
def test_every_ticket_comes_out_once_within_the_limits(
    lengths: list[int], max_batch: int, budget_tokens: int
) -> None:
    batcher = _batcher(Limits(max_batch, budget_tokens, max_queue=80))
    for number, length in enumerate(lengths):
        batcher.add(ticket(length), FAR_S, 1.0, number)
    batches = _drain(batcher)
    given_out = sorted(entry.payload for batch in batches for entry in batch.entries)
    assert given_out == list(range(len(lengths)))
    for batch in batches:
        assert len(batch.entries) <= max_batch
        assert len(batch.entries) == 1 or len(batch.entries) * batch.length <= budget_tokens
    assert len(batcher) == 0


def test_an_empty_queue_gives_no_batch() -> None:
    assert _batcher().poll() is None


def test_neighbours_by_length_go_together_whatever_order_they_came_in() -> None:
    batcher = _batcher(Limits(max_batch=3))
    for number, length in enumerate((5, 60, 5, 60, 5, 60)):
        batcher.add(ticket(length), FAR_S, 1.0, number)
    lengths = [{len(entry.tokens) for entry in batch.entries} for batch in _drain(batcher)]
    assert sorted(map(tuple, lengths)) == [(5,), (60,)]


def test_live_tickets_go_before_bulk_ones_of_the_same_age() -> None:
    batcher = _batcher(Limits(max_batch=1))
    for number, priority in enumerate(("bulk", "live", "bulk", "live")):
        batcher.add(ticket(5), FAR_S, WEIGHTS[priority], number)
    order = [batch.entries[0].payload for batch in _drain(batcher)]
    assert set(order[:2]) == {1, 3}


def test_a_ticket_past_its_deadline_is_handed_out_apart_even_if_no_timer_fired() -> None:
    clock = Clock()
    batcher = _batcher(clock=clock)
    batcher.add(ticket(5), clock.now_s + 1.0, 1.0, 1)
    batcher.add(ticket(5), clock.now_s + 9.0, 1.0, 2)
    clock.now_s += 1.0
    batch = batcher.poll()
    assert batch is not None
    assert [entry.payload for entry in batch.expired] == [1]
    assert [entry.payload for entry in batch.entries] == [2]


def test_a_queue_of_expired_tickets_alone_gives_a_batch_without_tickets_to_run() -> None:
    clock = Clock()
    batcher = _batcher(clock=clock)
    batcher.add(ticket(5), clock.now_s + 1.0, 1.0, 1)
    clock.now_s += 2.0
    batch = batcher.poll()
    assert batch is not None
    assert (len(batch.entries), len(batch.expired)) == (0, 1)


def test_a_discarded_ticket_is_gone_and_makes_room() -> None:
    batcher = _batcher(Limits(max_queue=1))
    entry = batcher.add(ticket(5), FAR_S, 1.0, 1)
    assert batcher.discard(entry)
    assert not batcher.discard(entry)
    batcher.add(ticket(5), FAR_S, 1.0, 2)
    assert [entry.payload for batch in _drain(batcher) for entry in batch.entries] == [2]


def test_the_predicted_wait_grows_with_what_waits_and_shrinks_with_workers() -> None:
    one: Batcher[int] = Batcher(Limits(max_queue=8), CostModel(), workers=1)
    two: Batcher[int] = Batcher(Limits(max_queue=8), CostModel(), workers=2)
    waits = []
    for number in range(8):
        waits.append(one.predicted_wait_s())
        one.add(ticket(50), FAR_S, 1.0, number)
        two.add(ticket(50), FAR_S, 1.0, number)
    assert waits[0] == 0.0
    assert waits == sorted(waits)
    assert two.predicted_wait_s() == pytest.approx(one.predicted_wait_s() / 2)
    with pytest.raises(Overloaded) as refusal:
        one.add(ticket(50), FAR_S, 1.0, 8)
    assert refusal.value.retry_after_s == one.predicted_wait_s()


def test_workers_that_idle_side_by_side_share_what_waits() -> None:
    batcher: Batcher[int] = Batcher(Limits(), CostModel(), workers=2)
    sizes: list[int] = []
    both = threading.Barrier(3)

    def work() -> None:
        both.wait()
        batch = batcher.take()
        sizes.append(len(batch.entries) if batch is not None else 0)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    both.wait()
    while batcher._idle < 2:
        pass
    with batcher._changed:
        for number in range(8):
            batcher.add(ticket(5), FAR_S, 1.0, number)
    for thread in threads:
        thread.join()
    assert sizes == [4, 4]


def test_a_closed_batcher_gives_out_what_waits_then_ends() -> None:
    batcher = _batcher(Limits(max_batch=1))
    batcher.add(ticket(5), FAR_S, 1.0, 1)
    batcher.close()
    with pytest.raises(Closing):
        batcher.add(ticket(5), FAR_S, 1.0, 2)
    batch = batcher.take()
    assert batch is not None
    assert [entry.payload for entry in batch.entries] == [1]
    assert batcher.take() is None


def test_clearing_takes_out_all_that_waits() -> None:
    batcher = _batcher()
    for number in range(3):
        batcher.add(ticket(5 + number), FAR_S, 1.0, number)
    assert [entry.payload for entry in batcher.clear()] == [0, 1, 2]
    assert len(batcher) == 0


def test_many_threads_lose_no_ticket() -> None:
    batcher: Batcher[int] = Batcher(Limits(max_queue=4000), CostModel(), workers=3)
    taken: list[int] = []

    def produce(start: int) -> None:
        for number in range(start, start + 200):
            batcher.add(ticket(1 + number % 40), FAR_S, 1.0, number)

    def consume() -> None:
        while (batch := batcher.take()) is not None:
            taken.extend(entry.payload for entry in batch.entries)

    producers = [threading.Thread(target=produce, args=(start,)) for start in range(0, 800, 200)]
    consumers = [threading.Thread(target=consume) for _ in range(3)]
    for thread in (*producers, *consumers):
        thread.start()
    for thread in producers:
        thread.join()
    batcher.close()
    for thread in consumers:
        thread.join()
    assert sorted(taken) == list(range(800))
