"""Batches are pulled while there are any; what became of each ticket is handed back.

Shapes: B batch, L padded length.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from service.contract.tokens import Tokens
from service.engine.answer import Answer, BatchReport
from service.engine.batch import Batch
from service.engine.batcher import WEIGHTS
from service.engine.layout import Layout, computed, lay_out
from service.engine.outputs import Outputs
from service.engine.runner import Runner, run
from service.engine.twins import Callers, Queue
from service.engine.waiting import Entry
from service.engine.wide import Wide
from service.errors import DeadlineExceeded, InferenceFailed

logger = logging.getLogger(__name__)

IDLE_S = 0.05
"""How often a worker that leaves tickets to others looks whether it still should."""


def _never() -> bool:
    """Of a worker that always takes what there is."""
    return False


@dataclass(slots=True)
class Outcome:
    """What the callers of each ticket of one batch get, and the report of it.

    taken: when the batch began, on the engine's clock, in seconds. home: whether it ran where it
    was meant to; None where that took more than one call, or there was none.
    """

    results: list[tuple[Callers, Answer | Exception]]
    report: BatchReport
    taken: float
    home: bool | None = None


@dataclass(slots=True)
class _Ran:
    """What one call gave: a result a ticket, in `seconds`, computed on so many tokens. home: see
    `Outcome`.
    """

    answers: list[Answer | Exception]
    seconds: float
    tokens: int
    home: bool | None = None


class Worker(threading.Thread):
    """Runs batches on one session until the queue is closed and empty.

    It is a daemon: a call that never returns must not keep the process from ending.
    """

    def __init__(
        self,
        name: str,
        session: Runner,
        queue: Queue,
        pad_id: int,
        *,
        layout: Layout = "padded",
        degraded: bool = False,
        express: bool = False,
        wide: Wide | None = None,
        idle: Callable[[], bool] = _never,
        clock: Callable[[], float] = time.monotonic,
        deliver: Callable[[Outcome], None],
        leave: Callable[["Worker"], None],
    ) -> None:
        """deliver, leave: called on this thread, after every batch and once at the end.

        layout: of the session's graph. degraded: the session is not where it was meant to be.
        express: takes only what is worth starting beside busy workers. wide: for batches that have
        the machine to themselves. idle: whether to leave all tickets to the other workers.
        """
        super().__init__(name=name, daemon=True)
        self.running: list[Entry[Callers]] = []
        self.fault: BaseException | None = None
        self.session = session
        self.express = express
        self._queue = queue
        self._pad_id = pad_id
        self._layout: Layout = layout
        self._degraded = degraded
        self._wide = wide
        self._idle = idle
        self._clock = clock
        self._deliver = deliver
        self._leave = leave

    def run(self) -> None:
        """The thread's life; a fault of the engine, not of a batch, ends it and is kept."""
        try:
            while (batch := self._take()) is not None:
                self.running = batch.entries
                try:
                    outcome = self._outcome(batch)
                    # First of all: somebody waits for it.
                    self._deliver(outcome)
                finally:
                    self._queue.done(batch)
                self.running = []
                self._learn(outcome)
        except BaseException as error:
            logger.exception("an engine worker died")
            self.fault = error
        finally:
            self._leave(self)

    def _take(self) -> Batch[Callers] | None:
        while self._idle() and not self._queue.closed:
            time.sleep(IDLE_S)
        return self._queue.take(express=self.express)

    def warm_up(self, batch: int, length: int, runs: int = 1) -> None:
        """Runs a batch of padding, before the thread starts; the last run teaches the cost model.

        runs: on a device the first one also allocates. Raises InferenceFailed.
        """
        ticket = Tokens(np.full(length, self._pad_id, dtype=np.int64), truncated=False)
        for _ in range(runs):
            outputs, seconds = self._timed_run([ticket] * batch, None)
        if outputs.calls == 1:
            self._queue.learn(batch, length, seconds, home=not outputs.degraded)

    def _outcome(self, batch: Batch[Callers]) -> Outcome:
        taken = self._clock()
        results: list[tuple[Callers, Answer | Exception]] = [
            (entry.payload, DeadlineExceeded("the deadline passed while the ticket waited"))
            for entry in batch.expired
        ]
        # Nobody waits for it who was there when this batch was chosen.
        entries = [entry for entry in batch.entries if not entry.payload.done()]
        abandoned = len(batch.entries) - len(entries)
        if not entries:
            report = BatchReport(expired=len(results), abandoned=abandoned)
            return Outcome(results, report, taken)
        wide = self._wide_session(batch)
        lengths = [len(entry.tokens) for entry in entries]
        ran = self._answers(entries, taken, computed(lengths, self._layout), wide)
        results += zip((entry.payload for entry in entries), ran.answers, strict=True)
        report = BatchReport(
            tickets=len(entries),
            real_tokens=sum(lengths),
            padded_tokens=ran.tokens,
            infer_s=ran.seconds,
            predicted_s=batch.predicted_s,
            expired=len(batch.expired),
            abandoned=abandoned,
            failed=sum(isinstance(answer, Exception) for answer in ran.answers),
            released=batch.released,
            wide=wide is not None,
        )
        return Outcome(results, report, taken, ran.home)

    def _wide_session(self, batch: Batch[Callers]) -> Runner | None:
        # What nobody waits for, such as a shadow's ticket, leaves the other cores alone.
        if not batch.wide or self._wide is None:
            return None
        live = any(entry.weight >= WEIGHTS["live"] for entry in batch.entries)
        return self._wide.session() if live else None

    def _answers(
        self, entries: list[Entry[Callers]], taken: float, tokens: int, wide: Runner | None
    ) -> "_Ran":
        """tokens: that the graph is to compute on. A fault becomes every ticket's result."""
        started = time.perf_counter()
        try:
            outputs, seconds = self._timed_run([entry.tokens for entry in entries], wide)
        except Exception as error:
            logger.exception("a batch of %d tickets failed", len(entries))
            failure = error if isinstance(error, InferenceFailed) else _unforeseen(error)
            return _Ran([failure] * len(entries), time.perf_counter() - started, tokens)
        scores, tokens = outputs.scope_B, outputs.tokens or tokens
        answers: list[Answer | Exception] = [
            Answer(
                {task.name: outputs.probabilities[task.name][row] for task in self.session.tasks},
                taken - entry.arrived,
                seconds,
                len(entries),
                tokens,
                None if scores is None else float(scores[row]),
                outputs.provider,
                outputs.degraded or self._degraded,
            )
            for row, entry in enumerate(entries)
        ]
        home = None if outputs.calls > 1 else not outputs.degraded
        return _Ran(answers, seconds, tokens, home)

    def _timed_run(self, tickets: list[Tokens], wide: Runner | None) -> tuple[Outputs, float]:
        """Checked outputs, and the call's seconds."""
        session = wide or self.session
        arrays = lay_out(tickets, self._layout, self._pad_id)
        started = time.perf_counter()
        outputs = run(session, arrays)
        seconds = time.perf_counter() - started
        outputs.check(session.tasks, len(tickets), has_scope=session.has_scope)
        return outputs, seconds

    def _learn(self, outcome: Outcome) -> None:
        report, home = outcome.report, outcome.home
        if home is not None:
            length = report.padded_tokens / report.tickets
            self._queue.learn(report.tickets, length, report.infer_s, wide=report.wide, home=home)


def _unforeseen(error: Exception) -> InferenceFailed:
    # Only the type: a library's message might quote its input.
    failure = InferenceFailed(f"the session failed with {type(error).__name__}")
    failure.__cause__ = error
    return failure
