"""Tickets and a graph come in; what the graph says to each of them, without calibration, goes out.

Shapes: N tickets, B batch, C classes of a task.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from service.contract.tokens import pad
from service.engine.session import SCOPE, Session
from service.errors import InferenceFailed
from training.data.dataset import Dataset
from training.predictions import Predictions

BUDGET_TOKENS = 2048
"""Padded tokens in a batch: more gave no more throughput on a CPU."""

Positions = NDArray[np.int64]
Arrays = dict[str, NDArray[np.float32]]


def ask(
    session: Session,
    dataset: Dataset,
    advance: Callable[[int], None] = lambda _: None,
    *,
    alone: bool = False,
) -> Predictions:
    """Raw logits (N, C) per task and, where the graph gives one, the scope score (N,).

    Batches of like length run side by side, each on one thread: the answers are the same every
    time. alone: one ticket a batch, see `Variant.alone`. advance: told the number of tickets after
    each batch. Raises InferenceFailed, also where an answer is not finite: no calibration could be
    fitted to it.
    """
    found: Arrays = {
        task.name: np.zeros((len(dataset), task.classes), dtype=np.float32)
        for task in dataset.tasks
    }
    scope_N = np.zeros(len(dataset), dtype=np.float32) if session.has_scope else None
    workers = os.cpu_count() or 1
    # A budget of one token holds one ticket, however long.
    batches = dataset.by_length(1 if alone else BUDGET_TOKENS)
    with ThreadPoolExecutor(workers) as pool:
        # A few at a time, so that a failure ends the work early.
        while group := list(islice(batches, 4 * workers)):
            answers = pool.map(lambda chosen: _answer(session, dataset, chosen), group)
            for chosen, (logits, scope_B) in zip(group, answers, strict=True):
                for name, rows_NC in found.items():
                    rows_NC[chosen] = logits[name]
                if scope_N is not None and scope_B is not None:
                    scope_N[chosen] = scope_B
                advance(len(chosen))
    labels = {task.name: dataset.labels(task.name) for task in dataset.tasks}
    return Predictions(found, labels, scope_N)


def _answer(
    session: Session, dataset: Dataset, chosen: Positions
) -> tuple[Arrays, NDArray[np.float32] | None]:
    inputs = pad([dataset.tokens[position] for position in chosen], dataset.pad_id)
    logits, scope_B = session.raw(*inputs)
    for name, rows_BC in logits.items():
        _check(f"{name}_logits", rows_BC)
    if scope_B is not None:
        _check(SCOPE, scope_B)
    return logits, scope_B


def _check(output: str, values: NDArray[np.float32]) -> None:
    if not np.isfinite(values).all():
        raise InferenceFailed(f"the graph's output {output} has a value that is not finite")
