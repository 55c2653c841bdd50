"""A checkpoint and the graph made from it come in; proof that both give the same answers goes out.

Shapes: B batch, L padded length, C a task's classes.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax

from export.errors import ParityError
from export.texts import Desk
from service.contract.bundle import Calibration
from service.contract.tasks import Task
from service.contract.ticket import render
from service.contract.tokens import IntArray, Tokens, pad
from service.engine.session import Session
from training.calibration.fit import calibrated
from training.checkpoint import Checkpoint

FloatArray = NDArray[np.floating]

TOLERANCE = 1e-5
"""Largest difference of a probability that float32 explains; MiniLM's is about 1e-6."""

MARGIN = 2e-5
"""Two labels closer than this may swap within the tolerance; a flip between others is a fault."""

BATCHES = {1: 64, 3: 34, 8: 30, 32: 20}
"""Batch size to number of batches: 1,046 texts."""

BUDGET_TOKENS = 16_384
"""Padded tokens in a batch at most: a limit of thousands of tokens must not exhaust memory."""


@dataclass
class ParityReport:
    """What was compared, and how far apart the answers were.

    max_dp: per task the largest difference of a probability. swaps: labels that changed within
    MARGIN. shortest, longest: tokens of a text.
    """

    texts: int = 0
    shortest: int = 1 << 30
    longest: int = 0
    swaps: int = 0
    max_dp: dict[str, float] = field(default_factory=dict)

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """The sizes that were compared."""
        return tuple(BATCHES)

    def stable(self) -> dict[str, object]:
        """The part without measured differences, for the manifest: same input, same bytes."""
        return {
            "texts": self.texts,
            "batch_sizes": list(self.batch_sizes),
            "shortest_tokens": self.shortest,
            "longest_tokens": self.longest,
            "tolerance": TOLERANCE,
            "margin": MARGIN,
            "passed": True,
        }

    def add(self, batch: list[Tokens]) -> None:
        """Counts a batch's texts and their lengths."""
        lengths = [len(tokens) for tokens in batch]
        self.texts += len(batch)
        self.shortest = min(self.shortest, *lengths)
        self.longest = max(self.longest, *lengths)


def check_parity(
    checkpoint: Checkpoint, session: Session, advance: Callable[[int], None] = lambda _: None
) -> ParityReport:
    """Compares network and graph, from a ticket's text on, over batch sizes and lengths.

    session: the service's own, on the graph that will ship. advance: told the number of texts
    after each batch. Raises ParityError where a probability differs by more than TOLERANCE, or
    where a label flips that led by more than MARGIN.
    """
    report = ParityReport()
    with _one_thread(), ThreadPoolExecutor(1) as beside:
        for batch in _batches(checkpoint):
            report.add(batch)
            ids_BL, mask_BL = pad(batch, checkpoint.tokenizer.pad_id)
            answer = beside.submit(session.run, ids_BL, mask_BL)
            expected = reference(checkpoint, ids_BL, mask_BL)
            found = answer.result()
            for task in checkpoint.tasks:
                where = f"{len(batch)} texts of up to {ids_BL.shape[1]} tokens"
                _compare(task, expected[task.name], found[task.name], where, report)
            advance(len(batch))
    return report


def total_texts() -> int:
    """How many texts `check_parity` compares."""
    return sum(size * number for size, number in BATCHES.items())


def batch_lengths(size: int, number: int, limit: int) -> Iterator[list[int]]:
    """For each of `number` batches the wanted lengths of its `size` texts.

    The longest text grows from 2 tokens to the limit, slowly at first: short texts are cheap to
    compare. Every other batch is mixed, down to 2 tokens, so that short texts meet much padding.
    """
    top = min(limit, BUDGET_TOKENS // size)
    for index, share in enumerate(np.linspace(0, 1, number)):
        longest = 2 * (top / 2) ** (share**2)
        shortest = 2 if index % 2 else longest
        yield [round(length) for length in np.linspace(longest, shortest, size)]


def reference(
    checkpoint: Checkpoint, ids_BL: IntArray, mask_BL: IntArray
) -> Mapping[str, FloatArray]:
    """The checkpoint's own calibrated probabilities, (B, C) per task: torch, then numpy."""
    with torch.inference_mode():
        logits = checkpoint.network(torch.from_numpy(ids_BL), torch.from_numpy(mask_BL))
    return {
        name: probabilities(logits_BC.numpy(), checkpoint.calibration[name])
        for name, logits_BC in logits.items()
    }


def probabilities(logits_BC: FloatArray, calibration: Calibration) -> FloatArray:
    """Raw logits to calibrated probabilities (B, C), in double precision, without the graph."""
    scaled_BC = calibrated(logits_BC.astype(np.float64), calibration)
    return np.asarray(softmax(scaled_BC, axis=1))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Torch on one thread, beside the session's: more would spin and wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _batches(checkpoint: Checkpoint) -> Iterator[list[Tokens]]:
    desk, tokenizer = Desk(checkpoint.tokenizer), checkpoint.tokenizer
    for size, number in BATCHES.items():
        for lengths in batch_lengths(size, number, tokenizer.limit):
            tickets = [desk.ticket(length) for length in lengths]
            texts = [render(ticket.subject, ticket.body) for ticket in tickets]
            yield tokenizer.encode_batch(texts)


def _compare(
    task: Task, expected_BC: FloatArray, found_BC: FloatArray, where: str, report: ParityReport
) -> None:
    if found_BC.shape != expected_BC.shape:
        raise ParityError(
            f"task {task.name}: the graph gave {found_BC.shape}, the network {expected_BC.shape}"
        )
    largest = float(np.abs(found_BC - expected_BC).max())
    # Written so that a NaN fails, too.
    if not largest <= TOLERANCE:
        raise ParityError(
            f"task {task.name}: a probability of the graph differs from the checkpoint's by "
            f"{largest:.1e}, at most {TOLERANCE:.0e} is allowed ({where})"
        )
    flipped_B = found_BC.argmax(axis=1) != expected_BC.argmax(axis=1)
    if (flipped_B & (_margin(expected_BC) > MARGIN)).any():
        raise ParityError(f"task {task.name}: the graph gives another label ({where})")
    report.swaps += int(flipped_B.sum())
    report.max_dp[task.name] = max(report.max_dp.get(task.name, 0.0), largest)


def _margin(probabilities_BC: FloatArray) -> FloatArray:
    """How far the best label leads the second, (B,)."""
    ordered_BC = np.sort(probabilities_BC, axis=1)
    return np.asarray(ordered_BC[:, -1] - ordered_BC[:, -2])
