"""What the batcher gives out, in which order, and what it refuses; the clock is the test's."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engine.batcher import WEIGHTS, Batch, Batcher, Limits
from service.engine.cost import CostModel
from service.errors import Closing, Overloaded
from tests.service.engine.sessions import Clock, FlatCost, ticket

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
    batcher: Batcher[int] = Batcher(Limits(), FlatCost(), workers=2)
    for number in range(8):
        batcher.add(ticket(5), FAR_S, 1.0, number)
    assert [len(batch.entries) for batch in _drain(batcher)] == [4, 4]


@pytest.mark.parametrize(("workers", "in_flight", "cuts"), [(2, 1, [5, 5]), (2, 2, [10])])
def test_workers_that_share_a_device_do_not_cut_what_waits_into_two(
    workers: int, in_flight: int, cuts: list[int]
) -> None:
    batcher: Batcher[int] = Batcher(Limits(), FlatCost(), workers, in_flight=in_flight)
    for number in range(10):
        batcher.add(ticket(5), FAR_S, 1.0, number)
    found = []
    while (batch := batcher.poll()) is not None:
        found.append(len(batch.entries))
    assert found == cuts


def test_four_workers_on_two_devices_cut_it_into_two() -> None:
    batcher: Batcher[int] = Batcher(Limits(), FlatCost(), 4, in_flight=2)
    for number in range(10):
        batcher.add(ticket(5), FAR_S, 1.0, number)
    first = batcher.poll()
    assert first is not None
    assert len(first.entries) == 5


def test_a_batcher_that_moves_keeps_what_waits_and_cuts_it_anew() -> None:
    batcher: Batcher[int] = Batcher(Limits(), FlatCost())
    for number in range(10):
        batcher.add(ticket(5), FAR_S, 1.0, number)
    learning = CostModel()
    batcher.move(Limits(max_batch=3), learning, home=False)
    batch = batcher.poll()
    assert batch is not None
    assert (len(batch.entries), len(batcher)) == (3, 7)
    before = learning.seconds(3, 5)
    batcher.learn(3, 5, 10.0, home=True)
    assert learning.seconds(3, 5) == before
    batcher.learn(3, 5, 10.0, home=False)
    assert learning.seconds(3, 5) > before


def test_what_waits_is_priced_anew_where_it_will_run() -> None:
    batcher = _batcher()
    waiting = [batcher.add(ticket(length), FAR_S, 1.0, 0) for length in (10, 30)]
    slow = CostModel(fixed_s=1.0)
    batcher.move(Limits(), slow, home=False)
    assert [entry.alone_s for entry in waiting] == [slow.seconds(1, 10), slow.seconds(1, 30)]
    assert len(batcher) == 2


def test_a_worker_that_is_done_counts_as_idle_again() -> None:
    batcher: Batcher[int] = Batcher(Limits(), FlatCost(), workers=2)
    for start in (0, 8):
        for number in range(start, start + 8):
            batcher.add(ticket(5), FAR_S, 1.0, number)
        batches = _drain(batcher)
        assert [len(batch.entries) for batch in batches] == [4, 4]
        for batch in batches:
            batcher.done(batch)


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


class Slow(CostModel):
    """A millisecond a token, whatever it is shown; so a long ticket is a long call."""

    def __init__(self) -> None:
        super().__init__(fixed_s=1e-9, kilotoken_s=1.0)
        self.shown: list[tuple[int, int, float]] = []

    def update(self, batch: int, length: int, seconds: float) -> None:
        """Notes it."""
        self.shown.append((batch, length, seconds))


def _busy(clock: Clock, cost: CostModel | None = None, length: int = 100) -> Batcher[int]:
    """One worker, at work on a ticket of `length` tokens."""
    batcher: Batcher[int] = Batcher(Limits(), cost or Slow(), 1, clock)
    batcher.add(ticket(length), FAR_S, 1.0, 0)
    assert batcher.poll(express=True) is None
    assert batcher.poll() is not None
    return batcher


def test_the_express_worker_takes_a_short_ticket_while_a_long_call_runs() -> None:
    batcher = _busy(Clock())
    batcher.add(ticket(5), FAR_S, 1.0, 1)
    batch = batcher.poll(express=True)
    assert batch is not None
    assert [entry.payload for entry in batch.entries] == [1]
    assert not batch.wide


def test_only_one_express_ticket_is_under_way_at_a_time() -> None:
    batcher = _busy(Clock())
    for number in (1, 2):
        batcher.add(ticket(5), FAR_S, 1.0, number)
    batch = batcher.poll(express=True)
    assert batch is not None
    assert batcher.poll(express=True) is None
    batcher.done(batch)
    assert batcher.poll(express=True) is not None


def test_a_ticket_as_long_as_the_call_under_way_is_no_express_ticket_once_that_is_half_done() -> (
    None
):
    clock = Clock()
    batcher = _busy(clock)
    clock.now_s += 0.06
    batcher.add(ticket(100), FAR_S, 1.0, 1)
    assert batcher.poll(express=True) is None


def test_the_express_worker_leaves_a_ticket_to_a_worker_that_is_free() -> None:
    batcher: Batcher[int] = Batcher(Limits(), Slow(), 1, Clock())
    batcher.add(ticket(5), FAR_S, 1.0, 0)
    assert batcher.poll(express=True) is None


def test_a_waiting_express_worker_is_called_when_a_short_ticket_comes_and_when_it_closes() -> None:
    batcher = _busy(Clock())
    taken: list[Batch[int] | None] = []
    thread = threading.Thread(
        target=lambda: taken.extend([batcher.take(express=True), batcher.take(express=True)]),
        daemon=True,
    )
    thread.start()
    batcher.add(ticket(5), FAR_S, 1.0, 1)
    batcher.close()
    thread.join(timeout=30.0)
    assert not thread.is_alive()
    assert taken[-1] is None


def test_a_lone_long_ticket_is_wide_while_nothing_else_runs_or_waits() -> None:
    batcher: Batcher[int] = Batcher(Limits(max_batch=1), Slow(), 2, Clock())
    for number in range(2):
        batcher.add(ticket(100), FAR_S, 1.0, number)
    first, second = batcher.poll(), batcher.poll()
    assert first is not None
    assert second is not None
    assert (first.wide, second.wide) == (False, False)
    batcher.done(first)
    batcher.done(second)
    batcher.add(ticket(100), FAR_S, 1.0, 2)
    alone = batcher.poll()
    assert alone is not None
    assert alone.wide


def test_a_lone_short_ticket_is_not_wide() -> None:
    batcher: Batcher[int] = Batcher(Limits(), Slow(), 2, Clock())
    batcher.add(ticket(5), FAR_S, 1.0, 0)
    batch = batcher.poll()
    assert batch is not None
    assert not batch.wide


def test_calls_that_are_wide_or_lend_their_core_teach_the_cost_model_nothing() -> None:
    clock, cost = Clock(), Slow()
    batcher = _busy(clock, cost)
    batcher.learn(1, 100, 0.1, wide=True)
    batcher.add(ticket(5), FAR_S, 1.0, 1)
    batch = batcher.poll(express=True)
    assert batch is not None
    batcher.learn(1, 5, 0.01)
    batcher.done(batch)
    clock.now_s += 0.05
    batcher.learn(1, 100, 0.1)
    assert cost.shown == []
    batcher.learn(1, 5, 0.01)
    assert cost.shown == [(1, 5, 0.01)]


def test_a_batch_says_why_it_was_released() -> None:
    def released(lengths: list[int], limits: Limits, cost: CostModel) -> str:
        batcher: Batcher[int] = Batcher(limits, cost, 1, Clock())
        for number, length in enumerate(lengths):
            batcher.add(ticket(length), FAR_S, 1.0, number)
        batch = batcher.poll()
        assert batch is not None
        return batch.released

    assert released([5, 5, 5], Limits(max_batch=4), FlatCost()) == "emptied"
    assert released([5] * 5, Limits(max_batch=4), FlatCost()) == "full"
    assert released([50] * 5, Limits(budget_tokens=100), FlatCost()) == "full"
    assert released([5, 200], Limits(), Slow()) == "best"


def test_a_ticket_near_its_deadline_goes_first_and_one_that_cannot_make_it_goes_last() -> None:
    clock = Clock()
    batcher: Batcher[int] = Batcher(Limits(max_batch=1), Slow(), 1, clock)
    batcher.add(ticket(100), clock.now_s + 0.09, 1.0, 0)
    batcher.add(ticket(100), FAR_S, 1.0, 1)
    batcher.add(ticket(100), clock.now_s + 0.15, 1.0, 2)
    order = [batch.entries[0].payload for batch in _drain(batcher)]
    assert order == [2, 1, 0]


def test_a_ticket_that_waited_long_enough_goes_before_any_that_comes() -> None:
    clock = Clock()
    batcher: Batcher[int] = Batcher(Limits(max_batch=1), Slow(), 1, clock)
    batcher.add(ticket(200), FAR_S, WEIGHTS["bulk"], 0)
    clock.now_s += 2.0
    for number in range(1, 5):
        batcher.add(ticket(2), FAR_S, WEIGHTS["live"], number)
    batch = batcher.poll()
    assert batch is not None
    assert batch.entries[0].payload == 0
