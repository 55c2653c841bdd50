"""What crosses between a front and the core arrives as it was sent, however it is cut."""

import asyncio
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.tasks import Task
from service.engine.answer import Answer, Priority
from service.engine.device import Device
from service.errors import Closing, DeadlineExceeded, InferenceFailed, NotReady, Overloaded
from service.link.faults import CoreFailedError, error_of, fault_of
from service.link.frames import (
    Kind,
    Load,
    Question,
    number_of,
    pack,
    pack_answer,
    pack_number,
    unpack,
    unpack_answer,
    unpack_question,
)
from service.link.wire import Wire

TASKS = (
    Task(name="queue", labels=("a", "b", "c"), kind="nominal", role="primary"),
    Task(name="urgency", labels=("P0", "P1"), kind="ordinal", role="primary"),
)
NUMBERS = st.integers(0, 2**32 - 1)
SMALL = st.floats(0, 1, width=32)


@given(
    NUMBERS,
    NUMBERS,
    st.floats(allow_nan=False),
    st.sampled_from(get_args(Priority)),
    st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=40),
)
def test_a_question_arrives_as_it_was_sent(
    number: int, seat: int, deadline: float, priority: Priority, ids: list[int]
) -> None:
    sent = Question(number, seat, deadline, priority, np.array(ids, dtype=np.int64))
    found = unpack_question(sent.pack())
    assert (found.number, found.seat, found.deadline) == (number, seat, deadline)
    assert found.priority == priority
    assert found.ids_L.dtype == np.int64
    assert found.ids_L.tolist() == ids


@given(
    st.lists(SMALL, min_size=5, max_size=5),
    st.one_of(st.none(), st.floats(allow_nan=False, width=32)),
    st.sampled_from(get_args(Device)),
    st.booleans(),
)
def test_an_answer_arrives_as_it_was_sent(
    values: list[float], scope: float | None, provider: Device, degraded: bool
) -> None:
    array = np.array(values, dtype=np.float32)
    given_ = {"queue": array[:3], "urgency": array[3:]}
    sent = Answer(given_, 0.5, 0.25, 7, 300, scope, provider, degraded)
    body = pack_answer(9, Load(3, 0.125), sent, TASKS)
    load, found = unpack_answer(body, TASKS)
    assert number_of(body) == 9
    assert load == Load(3, 0.125)
    for task in TASKS:
        assert found.probabilities[task.name].tolist() == given_[task.name].tolist()
    assert (found.queue_s, found.infer_s, found.batch_tickets) == (0.5, 0.25, 7)
    assert (found.batch_tokens, found.scope) == (300, scope)
    assert (found.provider, found.degraded) == (provider, degraded)


@pytest.mark.parametrize("kind", [Closing, DeadlineExceeded, InferenceFailed, NotReady])
def test_a_known_error_is_raised_again(kind: type[Exception]) -> None:
    fault = unpack(pack(fault_of(4, Load(), kind("why"))))
    error = error_of(fault)
    assert fault.number == 4
    assert type(error) is kind
    assert str(error) == "why"


def test_an_overload_keeps_its_wait_and_an_unknown_error_says_nothing_of_itself() -> None:
    again = error_of(fault_of(1, Load(), Overloaded("full", 2.5)))
    assert isinstance(again, Overloaded)
    assert again.retry_after_s == 2.5
    unknown = error_of(fault_of(1, Load(), ValueError("secret")))
    assert isinstance(unknown, CoreFailedError)
    assert "secret" not in str(unknown)


class Sink:
    """A transport that keeps what it is given."""

    def __init__(self) -> None:
        self.calls: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.calls.append(data)

    def close(self) -> None:
        self.calls.append(b"closed")


@given(
    st.lists(st.tuples(st.sampled_from(list(Kind)), st.binary(max_size=300)), max_size=8),
    st.integers(1, 97),
)
def test_frames_arrive_whole_and_in_order_however_the_stream_is_cut(
    sent: list[tuple[Kind, bytes]], step: int
) -> None:
    async def cross() -> tuple[list[tuple[Kind, bytes]], list[bytes]]:
        sink, found = Sink(), []
        one = Wire(lambda *_: None, lambda: None)
        one.connection_made(sink)  # type: ignore[arg-type]
        for kind, body in sent:
            one.send(kind, body)
        await asyncio.sleep(0)
        other = Wire(lambda kind, body: found.append((kind, body)), lambda: None)
        stream = b"".join(sink.calls)
        for at in range(0, len(stream), step):
            other.data_received(stream[at : at + step])
        return found, sink.calls

    found, calls = asyncio.run(cross())
    assert found == sent
    assert len(calls) == min(len(sent), 2)


async def test_what_is_sent_to_nobody_is_dropped_and_closing_sends_the_rest() -> None:
    wire = Wire(lambda *_: None, lambda: None)
    wire.send(Kind.HELLO, b"early")
    sink = Sink()
    wire.connection_made(sink)  # type: ignore[arg-type]
    wire.send(Kind.LEAVE, pack_number(1))
    wire.close()
    assert [len(call) for call in sink.calls] == [9, 6]
    await asyncio.sleep(0)
    assert len(sink.calls) == 2
