"""What an HTTP front and the core say to each other comes in; bytes go out, and back.

A ticket's question and answer, of which there are thousands a second, are packed structures; the
rest is pickled: both ends are one program under one user, on a socket in a private directory.

Shapes: L tokens of a ticket, C classes of a task.
"""

import pickle
import struct
from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from service.contract.tasks import Task
from service.contract.tokens import IntArray
from service.engine.answer import Answer, Priority
from service.ledger.records import Decision, Told
from service.shadow.errand import Asked


class Kind(IntEnum):
    """What a frame says. A front says the first ones, the core the others."""

    HELLO = 1
    QUESTION = 2
    LEAVE = 3
    SEEN = 4
    RELEASE = 5
    COUNTS = 6
    SEATED = 7
    ECHOED = 8
    SEAT = 16
    ANSWER = 17
    FAULT = 18
    STANDING = 19
    COUNT = 20
    ECHO = 21


_QUESTION = struct.Struct("<IIdB")
_ANSWER = struct.Struct("<IIfffIIfB")
_PRIORITIES: tuple[Priority, ...] = ("live", "bulk")
_TOLD = tuple(field.name for field in fields(Told))
_DECISION = tuple(field.name for field in fields(Decision) if field.name != "predictions")
_ON_CUDA, _DEGRADED, _HAS_SCOPE = 1, 2, 4


class Question(NamedTuple):
    """One ticket. number: of the question, by its front. seat: of the bundle that encoded it.

    ids_L: (L,) int64. deadline: in `time.monotonic()` seconds, which all processes share.
    """

    number: int
    seat: int
    deadline: float
    priority: Priority
    ids_L: IntArray

    def pack(self) -> bytes:
        """As bytes."""
        rank = _PRIORITIES.index(self.priority)
        head = _QUESTION.pack(self.number, self.seat, self.deadline, rank)
        return head + self.ids_L.astype(np.int32).tobytes()


class Load(NamedTuple):
    """How busy the core is: tickets that wait, and for how long a new one would, in seconds."""

    depth: int = 0
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A decision for the witness. number: of the reply that is awaited, 0 for none.

    asked: None where no legacy runs. wait_s: None where the legacies are not waited for.
    """

    number: int
    decision: Decision
    asked: Asked | None
    wait_s: float | None

    def pack(self) -> bytes:
        """As bytes. Tuples are unpickled in a fifth of the time that dataclasses take."""
        told = tuple(tuple(map(one.__getattribute__, _TOLD)) for one in self.decision.predictions)
        kept = tuple(map(self.decision.__getattribute__, _DECISION))
        return pack((self.number, kept, told, self.asked, self.wait_s))


@dataclass(frozen=True, slots=True)
class Fault:
    """A question that failed. code: of the error. retry_after_s: where it has one."""

    number: int
    load: Load
    code: str
    message: str
    retry_after_s: float = 0.0


def unpack_seen(body: bytes) -> Seen:
    """What `Seen.pack` packed."""
    number, kept, told, asked, wait_s = unpack(body)
    values = dict(zip(_DECISION, kept, strict=True))
    decision = Decision(predictions=tuple(Told(*one) for one in told), **values)
    return Seen(number, decision, asked, wait_s)


def unpack_question(body: bytes) -> Question:
    """What `Question.pack` packed."""
    number, seat, deadline, rank = _QUESTION.unpack_from(body)
    ids_L = np.frombuffer(body, np.int32, offset=_QUESTION.size).astype(np.int64)
    return Question(number, seat, deadline, _PRIORITIES[rank], ids_L)


def pack_answer(number: int, load: Load, answer: Answer, tasks: Sequence[Task]) -> bytes:
    """An answer, with the probabilities of the tasks in their order."""
    scope = answer.scope
    flags = _ON_CUDA * (answer.provider == "cuda") | _DEGRADED * answer.degraded
    head = _ANSWER.pack(
        number,
        load.depth,
        load.wait_s,
        answer.queue_s,
        answer.infer_s,
        answer.batch_tickets,
        answer.batch_tokens,
        0.0 if scope is None else scope,
        flags | (0 if scope is None else _HAS_SCOPE),
    )
    return head + b"".join(answer.probabilities[task.name].tobytes() for task in tasks)


def number_of(body: bytes) -> int:
    """What `pack_number` packed, and the question that an answer is to."""
    return int.from_bytes(body[:4], "little")


def unpack_answer(body: bytes, tasks: Sequence[Task]) -> tuple[Load, Answer]:
    """What `pack_answer` packed."""
    _, depth, wait_s, queue_s, infer_s, tickets, tokens, scope, flags = _ANSWER.unpack_from(body)
    values = np.frombuffer(body, np.float32, offset=_ANSWER.size)
    probabilities, start = {}, 0
    for task in tasks:
        probabilities[task.name] = values[start : start + task.classes]
        start += task.classes
    answer = Answer(
        probabilities,
        queue_s,
        infer_s,
        tickets,
        tokens,
        scope if flags & _HAS_SCOPE else None,
        "cuda" if flags & _ON_CUDA else "cpu",
        bool(flags & _DEGRADED),
    )
    return Load(depth, wait_s), answer


def pack_number(number: int) -> bytes:
    """The number of a question, of a seat or of an echo alone."""
    return number.to_bytes(4, "little")


def pack(value: Any) -> bytes:
    """Anything of our own, pickled."""
    return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)


def unpack(body: bytes) -> Any:
    """What `pack` packed, by the other end of the same program."""
    return pickle.loads(body)
