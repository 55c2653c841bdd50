"""A server comes in; it goes out only if it answers as Harbor does.

A server that answers something else is not timed: it would do other work.
"""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.benchmarks.contender import Contender, Setup
from tests.benchmarks.load import closed_loop
from tests.benchmarks.server import Server

TOLERANCE = 1e-4
"""Of a confidence: Harbor rounds it, and a longer padding moves the last digits."""
TICKETS = 50
CLIENTS = 8
"""Enough for a server that batches to form batches."""

Answer = dict[str, tuple[str, float]]
"""By task: the label and its confidence."""


class DisagreesError(RuntimeError):
    """A server's answers are not Harbor's; the message holds the first difference, no text."""


@dataclass(frozen=True)
class Checked:
    """A contender that is handed on only after it answered as expected, at each start.

    expected: Harbor's answers to `bodies`. clients: 1 where an answer may depend on a ticket's
    company, as with a graph that has to run each ticket alone.
    """

    contender: Contender
    bodies: Sequence[bytes]
    expected: Sequence[Answer]
    clients: int = CLIENTS

    @property
    def name(self) -> str:
        """The contender's."""
        return self.contender.name

    @contextmanager
    def serving(self, setup: Setup) -> Iterator[Server]:
        """As Contender says. Raises DisagreesError."""
        with self.contender.serving(setup) as server:
            found = ask(server.url, self.bodies, self.clients)
            compare(self.name, found, self.expected)
            yield server


def ask(url: str, bodies: Sequence[bytes], clients: int) -> list[Answer | None]:
    """What a server answers; None where it did not answer with 200."""
    load = asyncio.run(closed_loop(url, bodies, clients))
    return [
        read_answer(exchange.body) if exchange is not None and exchange.status == 200 else None
        for exchange in load.exchanges
    ]


def read_answer(body: bytes) -> Answer:
    """Of a reply of Harbor's, or of a peer's, which holds the tasks alone."""
    reply = json.loads(body)
    tasks = reply.get("predictions", reply)
    return {task: (found["label"], found["confidence"]) for task, found in tasks.items()}


def compare(name: str, found: Sequence[Answer | None], expected: Sequence[Answer]) -> None:
    """Labels equal, confidences within TOLERANCE. Raises DisagreesError."""
    pairs = enumerate(zip(found, expected, strict=True))
    wrong = [place for place, (one, other) in pairs if one is None or not _agree(one, other)]
    if wrong:
        first = wrong[0]
        raise DisagreesError(
            f"{name} answers {len(wrong)} of {len(expected)} tickets differently; "
            f"ticket {first}: {found[first]} instead of {expected[first]}"
        )


def _agree(one: Answer, other: Answer) -> bool:
    return one.keys() == other.keys() and all(
        one[task][0] == label and abs(one[task][1] - confidence) <= TOLERANCE
        for task, (label, confidence) in other.items()
    )
