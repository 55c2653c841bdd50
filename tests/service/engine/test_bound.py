"""Buffers of our own speed a call up; where they do not work, calls go on without them."""

import logging

import numpy as np
import pytest

from service.engine.bound import Bound
from service.engine.memory import memory_of
from service.engine.slot import Feeds, FloatArray
from service.engine.trouble import DeviceLost, OutOfMemory
from service.errors import InferenceFailed

ANSWER = [np.ones((1, 2), dtype=np.float32)]


class Broken:
    """Slots whose calls all fail, and how many there were."""

    def __init__(self, said: str) -> None:
        self.said, self.calls = said, 0

    def run(self, _: Feeds, __: int) -> list[FloatArray]:
        self.calls += 1
        raise RuntimeError(self.said)


def test_where_only_the_buffers_fail_calls_go_on_without_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    slots = Broken("binding is not supported")
    bound = Bound(slots, lambda _: ANSWER)  # type: ignore[arg-type]
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert bound.run({}, 1) is ANSWER
    assert slots.calls == 1
    assert "do without buffers of their own" in caplog.text


def test_where_the_call_itself_is_at_fault_the_buffers_stay() -> None:
    slots = Broken("index out of bounds")

    def fails(_: Feeds) -> list[FloatArray]:
        raise InferenceFailed("the graph failed: index out of bounds")

    bound = Bound(slots, fails)  # type: ignore[arg-type]
    for calls in (1, 2):
        with pytest.raises(InferenceFailed):
            bound.run({}, 1)
        assert slots.calls == calls


def test_a_lost_device_is_not_the_buffers_fault() -> None:
    slots = Broken("CUDA failure 700: illegal")
    bound = Bound(slots, lambda _: ANSWER)  # type: ignore[arg-type]
    for calls in (1, 2):
        with pytest.raises(DeviceLost):
            bound.run({}, 1)
        assert slots.calls == calls


def test_where_the_buffers_find_no_memory_the_call_may_and_they_are_tried_again() -> None:
    slots = Broken("CUDA failure 2: out of memory")
    bound = Bound(slots, lambda _: ANSWER)  # type: ignore[arg-type]
    for calls in (1, 2):
        assert bound.run({}, 1) is ANSWER
        assert slots.calls == calls

    def full(_: Feeds) -> list[FloatArray]:
        raise OutOfMemory("Failed to allocate memory")

    with pytest.raises(OutOfMemory):
        Bound(slots, full).run({}, 1)  # type: ignore[arg-type]


def test_a_host_without_nvidias_runtime_has_no_pinned_buffers_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert memory_of("cpu", 0) is None
    with caplog.at_level(logging.WARNING):
        found = memory_of("cuda", 0)
    assert (found is None) == ("without pinned buffers" in caplog.text)
