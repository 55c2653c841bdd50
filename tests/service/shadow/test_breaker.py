import asyncio
from contextlib import AbstractContextManager

import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from service.shadow.breaker import Breaker
from service.shadow.legacy import CircuitOpenError, LegacyFailedError

LIMIT, COOLDOWN_S = 3, 10.0


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Desk:
    """A breaker and its clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.breaker = Breaker(LIMIT, COOLDOWN_S, self.clock)

    def fail(self, times: int = 1) -> None:
        for _ in range(times):
            with pytest.raises(LegacyFailedError), self.breaker.call():
                raise LegacyFailedError("timeout")

    def succeed(self) -> None:
        with self.breaker.call():
            pass

    def is_refused(self) -> bool:
        try:
            self.succeed()
        except CircuitOpenError:
            return True
        return False


def test_failures_in_a_row_open_the_circuit() -> None:
    desk = Desk()

    desk.fail(LIMIT)

    assert desk.breaker.state == "open"
    assert desk.is_refused()


def test_a_success_between_failures_keeps_it_closed() -> None:
    desk = Desk()

    for _ in range(5):
        desk.fail(LIMIT - 1)
        desk.succeed()

    assert desk.breaker.state == "closed"


def test_after_the_cooldown_one_call_tries_and_closes_it() -> None:
    desk = Desk()
    desk.fail(LIMIT)

    desk.clock.now += COOLDOWN_S

    assert desk.breaker.state == "half_open"
    with desk.breaker.call():
        assert desk.is_refused()
    assert desk.breaker.state == "closed"


def test_a_probe_that_fails_keeps_it_open_for_as_long_again() -> None:
    desk = Desk()
    desk.fail(LIMIT)
    desk.clock.now += COOLDOWN_S

    desk.fail()

    desk.clock.now += COOLDOWN_S - 1
    assert desk.is_refused()
    desk.clock.now += 1
    assert desk.breaker.state == "half_open"


def test_a_cancelled_probe_leaves_the_next_one_free() -> None:
    desk = Desk()
    desk.fail(LIMIT)
    desk.clock.now += COOLDOWN_S

    with pytest.raises(asyncio.CancelledError), desk.breaker.call():
        raise asyncio.CancelledError

    assert desk.breaker.state == "half_open"
    assert not desk.is_refused()


def test_a_call_from_before_the_opening_counts_no_more() -> None:
    desk = Desk()
    with desk.breaker.call():
        desk.fail(LIMIT)
        assert desk.breaker.state == "open"

    assert desk.breaker.state == "open"


class Calls(RuleBasedStateMachine):
    """Overlapping calls that begin and end in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk()
        self.running: list[AbstractContextManager[None]] = []

    @rule()
    def begin(self) -> None:
        state = self.desk.breaker.state
        call = self.desk.breaker.call()
        try:
            call.__enter__()
        except CircuitOpenError:
            assert state != "closed"
            return
        assert state != "open"
        self.running.append(call)

    @precondition(lambda self: self.running)
    @rule()
    def succeed(self) -> None:
        self.running.pop(0).__exit__(None, None, None)

    @precondition(lambda self: self.running)
    @rule()
    def fail(self) -> None:
        self._end(LegacyFailedError("status"))

    @precondition(lambda self: self.running)
    @rule()
    def cancel(self) -> None:
        self._end(asyncio.CancelledError())

    @rule()
    def wait(self) -> None:
        self.desk.clock.now += COOLDOWN_S / 2

    def teardown(self) -> None:
        """However it went: once calls succeed again, it closes."""
        while self.running:
            self.cancel()
        self.desk.clock.now += COOLDOWN_S
        self.desk.succeed()
        assert self.desk.breaker.state == "closed"

    def _end(self, error: BaseException) -> None:
        assert not self.running.pop().__exit__(type(error), error, None)


TestCalls = Calls.TestCase
TestCalls.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
