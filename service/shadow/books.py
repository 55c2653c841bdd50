"""Offered tickets and their outcomes come in; counts, metrics and the ledger's records go out."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from service.ledger.records import Comparison
from service.logs import Log, failure
from service.metrics import ShadowMetrics
from service.shadow.account import Account
from service.shadow.config import ShadowConfig
from service.shadow.disagreements import Disagreements
from service.shadow.documents import LegacyTaskStatus
from service.shadow.errand import Errand
from service.shadow.judging import Judged
from service.shadow.latency import Latencies
from service.shadow.noise import Noise


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the lanes of all legacies share.

    record: takes each outcome, for the ledger. clock: in seconds. spare: returns at a quiet moment,
    and soon in any case; asked before a remote call. An in-process bundle waits for its turn by
    itself.
    """

    config: ShadowConfig
    metrics: ShadowMetrics
    noise: Noise
    record: Callable[[Comparison], None]
    log: Log
    clock: Callable[[], float]
    spare: Callable[[], Awaitable[None]]


class Books:
    """One legacy's books: each errand is opened once, and closed once with all its tasks."""

    def __init__(self, legacy: str, around: Surroundings) -> None:
        self.disagreements = Disagreements(legacy, around.config.window, around.metrics)
        self.latencies = Latencies()
        self.sampled_out = 0
        self._legacy, self._around = legacy, around
        self._accounts: defaultdict[str, Account] = defaultdict(Account)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Every task that was ever offered, or asked about."""
        return tuple(self._accounts)

    def status(self, task: str) -> LegacyTaskStatus:
        """The counts of one task."""
        return self._accounts[task].status(self.disagreements.task(task).disagreement)

    def sample_out(self) -> None:
        """Sampling left a ticket out."""
        self.sampled_out += 1
        self._around.metrics.sampled_out(self._legacy)

    def open(self, errand: Errand) -> None:
        """An errand begins."""
        self.disagreements.turn(errand.pair)
        for task in errand.tasks:
            self._accounts[task].offer()
            self._around.metrics.offered(self._legacy, task)

    def miss(self, errand: Errand) -> None:
        """A ticket of an earlier pair of models: it counts as dropped, and in no disagreement."""
        for task in errand.tasks:
            self._accounts[task].offer()
            self._around.metrics.offered(self._legacy, task)
        self.drop(errand, "swapped")

    def drop(self, errand: Errand, reason: str) -> None:
        """An errand ends without an answer to compare, through no fault of the legacy's."""
        self.close(errand, dict.fromkeys(errand.tasks, Judged("dropped", reason)))

    def close(
        self, errand: Errand, judged: Mapping[str, Judged], seconds: float | None = None
    ) -> None:
        """An errand ends. seconds: that the legacy took. A second end of one errand is ignored."""
        if not errand.open:
            return
        errand.open = False
        for task in errand.tasks:
            self._enter(errand, task, judged[task])
            self._record(errand.comparison(task, judged[task], self._around.clock(), seconds))
        if errand.done is not None and not errand.done.done():
            errand.answers = {task: errand.answer(task, judged[task]) for task in errand.tasks}
            errand.done.set_result(None)

    def _enter(self, errand: Errand, task: str, judged: Judged) -> None:
        differs = errand.differs(task, judged)
        self._accounts[task].close(judged.outcome, judged.reason, differs)
        metrics = self._around.metrics
        if judged.outcome == "dropped":
            metrics.dropped(self._legacy, task, str(judged.reason))
        elif judged.outcome == "failed":
            metrics.failed(self._legacy, task, str(judged.reason))
        else:
            self._compare(errand, task, str(judged.label), judged.confidence, differs)

    def _compare(
        self, errand: Errand, task: str, label: str, confidence: float | None, differs: bool
    ) -> None:
        around, (primary, primary_confidence) = self._around, errand.asked.predictions[task]
        around.metrics.compared(self._legacy, task, primary, label)
        if confidence is not None:
            around.metrics.differed(self._legacy, task, primary_confidence - confidence)
        self.disagreements.add(errand.pair, task, differs)
        around.noise.add(errand.asked.decision_id, task, self._legacy, errand.identity, label)

    def _record(self, comparison: Comparison) -> None:
        try:
            self._around.record(comparison)
        except Exception as error:
            self._around.log.error("comparison not recorded", **failure(error))
