"""A task's calibration split and what is to be promised come in; what can be promised, and whether
it holds on the test split, goes out.

Shapes: N tickets, C labels.
"""

from dataclasses import dataclass

from service.contract.promises import Threshold
from service.contract.tasks import Task
from service.statistics.sequence import fixed_sequence, needed
from training.calibration.promises import Promises
from training.calibration.thresholds import threshold as fit_threshold
from training.errors import PromiseRefused
from training.report.decisions import Decided, decided
from training.report.outcome import FloatArray, IntArray, Outcome, tell

TARGETS = (0.8, 0.9, 0.95, 0.97, 0.99)
HEADLINE = 0.97
"""The precision that the verdict speaks of where no promise was asked for."""


@dataclass(frozen=True)
class Offer:
    """A precision and the threshold from which the calibration split shows it; None where it does
    not.

    needed: the fewest `auto` tickets, all right, with which it could. seen: that threshold on the
    test split.
    """

    target: float
    threshold: float | None
    needed: int
    coverage: float
    seen: Decided | None

    @property
    def broken(self) -> bool:
        """Whether the test split denies it: its 95 % interval lies below the target."""
        interval = None if self.seen is None else self.seen.interval
        return interval is not None and interval.high < self.target


@dataclass(frozen=True)
class Promised:
    """tickets: labelled ones of the calibration split. asked: what was to be promised, in words.

    threshold: what shows it; refused: why it cannot be shown. seen: it, on the test split.
    """

    tickets: int
    level: float
    offers: tuple[Offer, ...]
    asked: str | None = None
    threshold: Threshold | None = None
    refused: str | None = None
    seen: Decided | None = None

    @property
    def broken(self) -> bool:
        """Whether the test split shows that the promise is not kept: its 95 % interval lies below
        the target.
        """
        if self.seen is None or self.threshold is None or self.threshold.promise is None:
            return False
        promise, seen = self.threshold.promise, self.seen
        if promise.target is None:
            return False
        interval = seen.interval if promise.kind == "precision" else seen.coverage_interval
        return interval is not None and interval.high < promise.target

    @property
    def best(self) -> Offer | None:
        """The highest precision that can be shown, at most HEADLINE."""
        shown = [one for one in self.offers if one.threshold is not None and one.target <= HEADLINE]
        return shown[-1] if shown else None


def promised(
    task: Task,
    probabilities_NC: FloatArray,
    labels_N: IntArray,
    test: Outcome | None,
    promises: Promises,
    tickets_a_week: float,
) -> Promised:
    """What the cross-fitted probabilities of the calibration split's tickets show."""
    offers = _offers(task, probabilities_NC, labels_N, test, promises.level, tickets_a_week)
    found = Promised(len(labels_N), promises.level, offers)
    wanted = promises.tasks.get(task.name)
    if wanted is None:
        return found
    asked = _asked(wanted.precision, wanted.coverage)
    try:
        threshold = fit_threshold(task, probabilities_NC, labels_N, wanted, promises.level)
    except PromiseRefused as error:
        return Promised(len(labels_N), promises.level, offers, asked, refused=str(error))
    seen = None
    if test is not None:
        told = tell(test.after_NC, test.labels_N, threshold.costs, threshold.choose)
        seen = decided(told, task.labels, tickets_a_week, threshold, promised=True)
    return Promised(len(labels_N), promises.level, offers, asked, threshold, seen=seen)


def _offers(
    task: Task,
    probabilities_NC: FloatArray,
    labels_N: IntArray,
    test: Outcome | None,
    level: float,
    tickets_a_week: float,
) -> tuple[Offer, ...]:
    told = tell(probabilities_NC, labels_N)
    on_test = None if test is None else tell(test.after_NC, test.labels_N)
    found = []
    for target in TARGETS:
        low = fixed_sequence(told.confidence_N, told.right_N, target, level)
        coverage = 0.0 if low is None else float((told.confidence_N >= low).mean())
        seen = None
        if low is not None and on_test is not None:
            at = Threshold(auto=low, suggest=0.0)
            seen = decided(on_test, task.labels, tickets_a_week, at, promised=True)
        found.append(Offer(target, low, needed(target, level), coverage, seen))
    return tuple(found)


def _asked(precision: float | None, coverage: float | None) -> str:
    if precision is not None:
        return f"auto is right at least {precision * 100:g} % of the time"
    if coverage is not None:
        return f"at least {coverage * 100:g} % of the tickets are auto"
    return "the mean cost of a ticket is least"
