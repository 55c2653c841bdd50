"""Sessions and tokenised tickets come in; latencies, rates and agreement go out.

Shapes: B batch, L padded length, C classes of a task.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.contract.tokens import Tokens, pad
from service.engine.session import Session

WARM_UP = 5


@dataclass(frozen=True)
class Agreement:
    """How two sessions agree on one task: share of equal labels, largest probability difference."""

    labels: float
    max_difference: float


def lone_latencies(session: Session, tickets: Sequence[Tokens], pad_id: int) -> NDArray[np.float64]:
    """Seconds of each ticket alone, in the order given, after a short warm-up."""
    for ticket in tickets[:WARM_UP]:
        session.run(*pad([ticket], pad_id))
    seconds = []
    for ticket in tickets:
        started = time.perf_counter()
        session.run(*pad([ticket], pad_id))
        seconds.append(time.perf_counter() - started)
    return np.array(seconds)


def tickets_per_s(session: Session, tickets: Sequence[Tokens], pad_id: int, batch: int) -> float:
    """Raw throughput: tickets sorted by length, padded within batches of a fixed size."""
    batches = [pad(part, pad_id) for part in by_length(tickets, batch)]
    session.run(*batches[-1])  # The largest shape first, so that the arena grows once.
    started = time.perf_counter()
    for ids_BL, mask_BL in batches:
        session.run(ids_BL, mask_BL)
    return len(tickets) / (time.perf_counter() - started)


def agreement(
    first: Session, second: Session, tickets: Sequence[Tokens], pad_id: int, batch: int = 32
) -> dict[str, Agreement]:
    """Both sessions on the same batches, for each task."""
    pairs = [
        (first.run(*padded).probabilities, second.run(*padded).probabilities)
        for padded in (pad(part, pad_id) for part in by_length(tickets, batch))
    ]
    return {
        task.name: _compare(
            np.concatenate([left[task.name] for left, _ in pairs]),
            np.concatenate([right[task.name] for _, right in pairs]),
        )
        for task in first.tasks
    }


def by_length(tickets: Sequence[Tokens], batch: int) -> Iterator[Sequence[Tokens]]:
    """Batches of tickets of like length, shortest first."""
    ordered = sorted(tickets, key=len)
    for start in range(0, len(ordered), batch):
        yield ordered[start : start + batch]


def _compare(first_BC: NDArray[np.float32], second_BC: NDArray[np.float32]) -> Agreement:
    same = first_BC.argmax(axis=1) == second_BC.argmax(axis=1)
    return Agreement(float(same.mean()), float(np.abs(first_BC - second_BC).max()))
