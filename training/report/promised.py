"""A task's calibration split and what is to be promised come in; what can be promised, and whether
it holds on the test split, goes out.

Shapes: N tickets, C labels.
"""

from dataclasses import dataclass, replace

from service.contract.promises import Threshold
from service.contract.tasks import Task
from service.statistics.sequence import fixed_sequence, needed
from training.calibration.promises import Promises
from training.calibration.thresholds import threshold as fit_threshold
from training.errors import PromiseRefused
from training.report.decisions import Decided, decided
from training.report.outcome import BoolArray, FloatArray, IntArray, Outcome, Told, tell

TARGETS = (0.8, 0.9, 0.95, 0.97, 0.99)
HEADLINE = 0.97
"""The precision that the verdict speaks of where no promise was asked for."""


@dataclass(frozen=True)
class Shown:
    """A task's labelled tickets of the calibration split: cross-fitted probabilities, labels, and
    which are in scope.
    """

    task: Task
    probabilities_NC: FloatArray
    labels_N: IntArray
    inside_N: BoolArray

    def told(self) -> Told:
        """What is given for the probabilities."""
        return tell(self.probabilities_NC, self.labels_N, self.inside_N)


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
    """tickets: labelled ones of the calibration split; outside: of these, out of scope. asked: what
    was to be promised, in words.

    threshold: what shows it; refused: why it cannot be shown. seen: it, on the test split.
    """

    tickets: int
    outside: int
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
        """The highest precision that is shown, at most HEADLINE: each is tested on its own, so that
        the best of them is no promise yet.
        """
        shown = [one for one in self.offers if one.threshold is not None and one.target <= HEADLINE]
        return shown[-1] if shown else None


def promised(
    shown: Shown, test: Outcome | None, promises: Promises, tickets_a_week: float
) -> Promised:
    """What the calibration split shows, by the rules of `training.calibration.judge`.

    Raises ConfigError where a promise names a label that the task lacks.
    """
    task, level = shown.task, promises.level
    found = Promised(
        tickets=len(shown.labels_N),
        outside=int((~shown.inside_N).sum()),
        level=level,
        offers=_offers(shown, test, level, tickets_a_week),
    )
    wanted = promises.tasks.get(task.name)
    if wanted is None:
        return found
    found = replace(found, asked=_asked(wanted.precision, wanted.coverage))
    try:
        threshold = fit_threshold(
            task, shown.probabilities_NC, shown.labels_N, wanted, level, shown.inside_N
        )
    except PromiseRefused as error:
        return replace(found, refused=str(error))
    seen = None
    if test is not None:
        told = test.told(threshold.costs, threshold.choose)
        seen = decided(told, task.labels, tickets_a_week, threshold, promised=True)
    return replace(found, threshold=threshold, seen=seen)


def _offers(
    shown: Shown, test: Outcome | None, level: float, tickets_a_week: float
) -> tuple[Offer, ...]:
    told, labels = shown.told(), shown.task.labels
    confidence_N, right_N = told.confidence_N[told.inside_N], told.right_N[told.inside_N]
    found = []
    for target in TARGETS:
        low = fixed_sequence(confidence_N, right_N, target, level)
        coverage, seen = 0.0, None
        if low is not None:
            coverage = float((confidence_N >= low).sum() / len(told.inside_N))
        if low is not None and test is not None:
            at = Threshold(auto=low, suggest=0.0)
            seen = decided(test.told(), labels, tickets_a_week, at, promised=True)
        found.append(Offer(target, low, needed(target, level), coverage, seen))
    return tuple(found)


def _asked(precision: float | None, coverage: float | None) -> str:
    if precision is not None:
        return f"auto is right at least {precision * 100:g} % of the time"
    if coverage is not None:
        return f"at least {coverage * 100:g} % of the tickets are auto"
    return "the mean cost of a ticket is least"
