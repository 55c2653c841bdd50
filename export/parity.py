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

from export.errors import ParityError
from export.texts import Desk
from service.contract.tasks import Task
from service.contract.ticket import render
from service.contract.tokens import IntArray, Tokenizer, Tokens, pad
from service.engine.session import Session
from training.calibration.fit import probabilities
from training.checkpoint import Checkpoint

FloatArray = NDArray[np.floating]

TOLERANCE = 1e-5
"""Largest difference of a probability that float32 explains; MiniLM's is about 1e-6."""

MARGIN = 2e-5
"""Two labels closer than this may swap within the tolerance; a flip between others is a fault."""

SCOPE_TOLERANCE = 5e-4
"""Largest difference of a scope score, as a share of it: a sum of squares, each of which divides by
the small spread of a direction. MiniLM's is about 1e-6.

A network that has hardly learned gives all tickets nearly the same features. Where they differ by
some 4e-4 of their length, float32's rounding of 4e-7 is up to 2.1e-4 of a score: measured on ten
sharing schemes with four seeds each, two random layers; hard sharing's is 8e-5. That is in the
features, not in the whitening: a product in float64 leaves it as it is, and a ridge of 1e-3 of a
length brings it to 1.4e-4 only. `service.proof` allows golden tickets twice the bound."""

BATCHES = {1: 64, 3: 34, 8: 30, 32: 20}
"""Batch size to number of batches: 1,046 texts."""

BUDGET_TOKENS = 16_384
"""Padded tokens in a batch at most: a limit of thousands of tokens must not exhaust memory."""


@dataclass
class ParityReport:
    """What was compared, and how far apart the answers were.

    max_dp: per task the largest difference of a probability. max_scope: that of a scope score, as a
    share of it; None where there is none. swaps: labels that changed within MARGIN. shortest,
    longest: tokens of a text.
    """

    texts: int = 0
    shortest: int = 1 << 30
    longest: int = 0
    swaps: int = 0
    max_dp: dict[str, float] = field(default_factory=dict)
    max_scope: float | None = None

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
            **({} if self.max_scope is None else {"scope_tolerance": SCOPE_TOLERANCE}),
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
    after each batch. Raises ParityError where a probability differs by more than TOLERANCE, where
    a label flips that led by more than MARGIN, or where a scope score differs by more than
    SCOPE_TOLERANCE.
    """
    report = ParityReport()
    with _one_thread(), ThreadPoolExecutor(1) as beside:
        for batch in batches(checkpoint.tokenizer):
            report.add(batch)
            ids_BL, mask_BL = pad(batch, checkpoint.tokenizer.pad_id)
            answer = beside.submit(session.run, ids_BL, mask_BL)
            expected, scope_B = reference(checkpoint, ids_BL, mask_BL)
            found = answer.result()
            where = f"{len(batch)} texts of up to {ids_BL.shape[1]} tokens"
            for task in checkpoint.tasks:
                given = found.probabilities[task.name]
                _compare(task, expected[task.name], given, where, report)
            _compare_scope(scope_B, found.scope_B, where, report)
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
) -> tuple[Mapping[str, FloatArray], FloatArray | None]:
    """The checkpoint's own calibrated probabilities, (B, C) per task, and its scope scores (B,):
    torch, then numpy.
    """
    network, scope = checkpoint.network, checkpoint.scope
    with torch.inference_mode():
        features = network.trunk(torch.from_numpy(ids_BL), torch.from_numpy(mask_BL))
        logits = network.answer(features)
        scope_B = None if scope is None else scope(features).numpy()
    answers = {
        name: probabilities(logits_BC.numpy(), checkpoint.calibration[name])
        for name, logits_BC in logits.items()
    }
    return answers, scope_B


def apart(first_B: FloatArray, second_B: FloatArray) -> float:
    """The largest difference of scope scores (B,), as a share of the first; below 1 the difference
    itself, because no ticket near 0 is strange.
    """
    return float((np.abs(second_B - first_B) / np.maximum(np.abs(first_B), 1.0)).max())


@contextmanager
def _one_thread() -> Iterator[None]:
    """Torch on one thread, beside the session's: more would spin and wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def batches(tokenizer: Tokenizer) -> Iterator[list[Tokens]]:
    """What is compared: `total_texts` generated texts, from 2 tokens to the limit."""
    desk = Desk(tokenizer)
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
    if (flipped_B & (margin(expected_BC) > MARGIN)).any():
        raise ParityError(f"task {task.name}: the graph gives another label ({where})")
    report.swaps += int(flipped_B.sum())
    report.max_dp[task.name] = max(report.max_dp.get(task.name, 0.0), largest)


def _compare_scope(
    expected_B: FloatArray | None, found_B: FloatArray | None, where: str, report: ParityReport
) -> None:
    if expected_B is None and found_B is None:
        return
    if expected_B is None or found_B is None:
        lacks = "checkpoint" if expected_B is None else "graph"
        raise ParityError(f"the {lacks} gives no scope score")
    if found_B.shape != expected_B.shape:
        raise ParityError(
            f"the graph gave scope scores {found_B.shape}, the network {expected_B.shape}"
        )
    largest = apart(expected_B, found_B)
    if not largest <= SCOPE_TOLERANCE:
        raise ParityError(
            f"a scope score of the graph differs from the checkpoint's by a share of {largest:.1e},"
            f" at most {SCOPE_TOLERANCE:.0e} is allowed ({where})"
        )
    report.max_scope = max(report.max_scope or 0.0, largest)


def margin(probabilities_BC: FloatArray) -> FloatArray:
    """How far the best label leads the second, (B,)."""
    ordered_BC = np.sort(probabilities_BC, axis=1)
    return np.asarray(ordered_BC[:, -1] - ordered_BC[:, -2])
