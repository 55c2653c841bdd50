"""Batches are pulled while there are any; what became of each ticket is handed back.

Shapes: B batch, L padded length.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from service.contract.tasks import Task
from service.contract.tokens import IntArray, Tokens, pad
from service.engine.answer import Answer, BatchReport
from service.engine.batcher import Batch, Batcher
from service.engine.outputs import Outputs
from service.engine.waiting import Entry
from service.errors import DeadlineExceeded, InferenceFailed

Waiter = asyncio.Future[Answer]
"""Whom an answer is for. A worker only asks whether it is done; the event loop alone sets it."""

logger = logging.getLogger(__name__)


class Runner(Protocol):
    """What a worker needs of a session; `service.engine.session.Session` is the real one."""

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that `run` answers."""
        ...

    @property
    def has_scope(self) -> bool:
        """Whether `run` gives a scope score, too."""
        ...

    def run(self, ids_BL: IntArray, mask_BL: IntArray) -> Outputs:
        """What the model says to a batch."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What each waiter of one batch gets, and the report of it."""

    results: list[tuple[Waiter, Answer | Exception]]
    report: BatchReport


class Worker(threading.Thread):
    """Runs batches on one session until the queue is closed and empty.

    It is a daemon: a call that never returns must not keep the process from ending.
    """

    def __init__(
        self,
        name: str,
        session: Runner,
        batcher: Batcher[Waiter],
        pad_id: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        deliver: Callable[[Outcome], None],
        leave: Callable[["Worker"], None],
    ) -> None:
        """deliver, leave: called on this thread, after every batch and once at the end."""
        super().__init__(name=name, daemon=True)
        self.running: list[Entry[Waiter]] = []
        self.fault: BaseException | None = None
        self.session = session
        self._batcher = batcher
        self._pad_id = pad_id
        self._clock = clock
        self._deliver = deliver
        self._leave = leave

    def run(self) -> None:
        """The thread's life; a fault of the engine, not of a batch, ends it and is kept."""
        try:
            while (batch := self._batcher.take()) is not None:
                self.running = batch.entries
                self._deliver(self._outcome(batch))
                self.running = []
        except BaseException as error:
            logger.exception("an engine worker died")
            self.fault = error
        finally:
            self._leave(self)

    def warm_up(self, batch: int, length: int) -> None:
        """Runs a batch of padding, before the thread starts. Raises InferenceFailed."""
        ticket = Tokens(np.full(length, self._pad_id, dtype=np.int64), truncated=False)
        self._timed_run([ticket] * batch)

    def _outcome(self, batch: Batch[Waiter]) -> Outcome:
        late = DeadlineExceeded("the deadline passed while the ticket waited")
        results: list[tuple[Waiter, Answer | Exception]] = [
            (entry.payload, late) for entry in batch.expired
        ]
        # A waiter that is done was cancelled between the choice of this batch and now.
        entries = [entry for entry in batch.entries if not entry.payload.done()]
        abandoned = len(batch.entries) - len(entries)
        if not entries:
            return Outcome(results, BatchReport(expired=len(results), abandoned=abandoned))
        answers, seconds = self._answers(entries, self._clock())
        results += zip((entry.payload for entry in entries), answers, strict=True)
        report = BatchReport(
            tickets=len(entries),
            real_tokens=sum(len(entry.tokens) for entry in entries),
            padded_tokens=_padded_tokens(entries),
            infer_s=seconds,
            predicted_s=batch.predicted_s,
            expired=len(batch.expired),
            abandoned=abandoned,
            failed=sum(isinstance(answer, Exception) for answer in answers),
        )
        return Outcome(results, report)

    def _answers(
        self, entries: list[Entry[Waiter]], taken: float
    ) -> tuple[list[Answer | Exception], float]:
        """One result a ticket, and the call's seconds; a fault becomes every ticket's result."""
        started = time.perf_counter()
        try:
            outputs, seconds = self._timed_run([entry.tokens for entry in entries])
        except Exception as error:
            logger.exception("a batch of %d tickets failed", len(entries))
            failure = error if isinstance(error, InferenceFailed) else _unforeseen(error)
            return [failure] * len(entries), time.perf_counter() - started
        padded = _padded_tokens(entries)
        scores = outputs.scope_B
        return [
            Answer(
                {task.name: outputs.probabilities[task.name][row] for task in self.session.tasks},
                taken - entry.arrived,
                seconds,
                len(entries),
                padded,
                None if scores is None else float(scores[row]),
            )
            for row, entry in enumerate(entries)
        ], seconds

    def _timed_run(self, tickets: list[Tokens]) -> tuple[Outputs, float]:
        """Checked outputs, and the call's seconds, from which the cost model learns."""
        ids_BL, mask_BL = pad(tickets, self._pad_id)
        started = time.perf_counter()
        outputs = self.session.run(ids_BL, mask_BL)
        seconds = time.perf_counter() - started
        outputs.check(self.session.tasks, len(tickets), has_scope=self.session.has_scope)
        self._batcher.learn(len(tickets), ids_BL.shape[1], seconds)
        return outputs, seconds


def _unforeseen(error: Exception) -> InferenceFailed:
    # Only the type: a library's message might quote its input.
    failure = InferenceFailed(f"the session failed with {type(error).__name__}")
    failure.__cause__ = error
    return failure


def _padded_tokens(entries: list[Entry[Waiter]]) -> int:
    return len(entries) * max(len(entry.tokens) for entry in entries)
