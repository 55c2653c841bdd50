"""A ticket that waits gains by every equal one that comes, and loses nothing."""

import asyncio
from collections.abc import Iterator

from service.engine.answer import Answer
from service.engine.batcher import WEIGHTS, Limits
from service.engine.cost import CostModel
from service.engine.twins import Callers, Queue, Waiter
from service.engine.waiting import Entry
from tests.service.engine.sessions import Clock, ticket

FAR_S = 1e6


def _queued(clock: Clock, priority: str, deadline: float = FAR_S) -> tuple[Queue, Entry[Callers]]:
    queue = Queue(Limits(), CostModel(), 1, clock)
    return queue, queue.add(ticket(5, 1), deadline, WEIGHTS[priority], Callers(b"1"))


def test_a_live_duplicate_never_moves_an_overdue_bulk_ticket_back() -> None:
    clock = Clock()
    queue, entry = _queued(clock, "bulk")
    before = entry.due
    clock.now_s += 5.0
    amended = queue.amend(entry, FAR_S, WEIGHTS["live"])
    assert amended is entry
    assert entry.due == before
    assert entry.weight == WEIGHTS["live"]
    assert len(queue) == 1


def test_a_duplicate_with_a_nearer_deadline_brings_the_ticket_forward() -> None:
    clock = Clock()
    queue, entry = _queued(clock, "bulk")
    queue.amend(entry, clock.now_s + 0.2, WEIGHTS["bulk"])
    assert entry.due < clock.now_s + 0.2
    assert entry.deadline == FAR_S


def test_a_ticket_that_left_too_late_is_not_joined() -> None:
    clock = Clock()
    queue, entry = _queued(clock, "live", deadline=clock.now_s + 1.0)
    clock.now_s += 1.0
    taken = queue.poll()
    assert taken is not None
    assert taken.expired == [entry]
    assert queue.amend(entry, FAR_S, WEIGHTS["live"]) is None


class _Joining(dict[Waiter, float]):
    """Callers to whom one joins, and whose first leaves, while a worker looks at them."""

    def __init__(self, first: Waiter, second: Waiter) -> None:
        super().__init__({first: 0.0})
        self._first, self._second = first, second

    def __iter__(self) -> Iterator[Waiter]:
        seen = list(super().__iter__())
        if self._second not in seen:
            self[self._second] = 0.0
            self._first.cancel()
        return iter(seen)


async def test_who_joins_while_a_worker_looks_is_not_passed_over() -> None:
    loop = asyncio.get_running_loop()
    first: Waiter = loop.create_future()
    second: asyncio.Future[Answer] = loop.create_future()
    assert not Callers(b"1", _Joining(first, second)).done()
    assert first.cancelled()
