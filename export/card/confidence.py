"""Calibrated answers to tickets with known labels come in; the card's tables of how far to trust a
confidence go out.

Shapes: N tickets, C classes of a task.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from export.card.markdown import percent, table
from service.contract.promises import Threshold
from service.contract.tasks import Task
from service.statistics.calibration import Reliability, reliability
from service.statistics.choice import choose, confidences
from service.statistics.intervals import Interval, wilson
from service.statistics.selective import accuracy_at

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

HEADING = "How far to trust a confidence"
DIAGRAM = "reliability.svg"
BINS = 10
COVERAGES = (0.8, 0.9, 0.95, 1.0)
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97, 0.99)


@dataclass(frozen=True)
class Answers:
    """A task's answers to labelled tickets. probabilities_NC: calibrated. labels_N: final labels.

    threshold: None where the task makes no promise. inside_N: which tickets are in scope.
    """

    task: Task
    probabilities_NC: FloatArray
    labels_N: IntArray
    threshold: Threshold | None
    inside_N: BoolArray

    @cached_property
    def given_N(self) -> IntArray:
        """The label given to each ticket, as the service gives it."""
        rule = self.threshold
        if rule is None:
            return choose(self.probabilities_NC, None, "probability")
        return choose(self.probabilities_NC, rule.costs, rule.choose)

    @cached_property
    def confidence_N(self) -> FloatArray:
        """As the reply has it."""
        return confidences(self.probabilities_NC, self.given_N)

    @cached_property
    def right_N(self) -> BoolArray:
        """Whether the label given is the final one."""
        return np.asarray(self.given_N == self.labels_N)

    @cached_property
    def bins(self) -> Reliability:
        """Confidence and accuracy in bins of equal mass."""
        return reliability(self.confidence_N, self.right_N, BINS)

    @property
    def intervals(self) -> list[Interval]:
        """Of each bin's accuracy, 95 %, Wilson."""
        found = zip(self.bins.accuracy, self.bins.count, strict=True)
        return [wilson(round(share * count), int(count)) for share, count in found]

    def from_confidence(self, least: float) -> BoolArray:
        """Which tickets are in scope and that sure, (N,): out of scope a human decides them all."""
        return np.asarray(self.inside_N & (self.confidence_N >= least))

    def auto(self, threshold: Threshold) -> BoolArray:
        """Which tickets are `auto`, (N,)."""
        labels = self.task.labels
        # Never is above every confidence.
        from_C = [threshold.by_label.get(label, threshold.auto) for label in labels]
        least_C = np.array([np.inf if least is None else least for least in from_C])
        return np.asarray(self.inside_N & (self.confidence_N >= least_C[self.given_N]))


def confidence(answers: Sequence[Answers], recalibrated: bool) -> str:
    """The card's section. recalibrated: the bundle's calibration is not the checkpoint's own."""
    named = ", ".join(f"{len(one.labels_N):,} ({one.task.name})" for one in answers)
    parts = [
        f"## {HEADING}",
        f"On the test split, with this bundle's calibration; labelled tickets: {named}.\n"
        + (_RECALIBRATED if recalibrated else _UNTOUCHED),
        f"![Accuracy against confidence, a panel a task, with 95 % intervals]({DIAGRAM})",
        *(_task(one) for one in answers),
    ]
    return "\n\n".join(parts)


def _task(one: Answers) -> str:
    return "\n\n".join(
        [
            f"### {one.task.name}",
            "Of the tickets with about this confidence, so many were right:",
            _reliability(one),
            "Answering only the surest tickets:",
            _coverage(one),
            f"By threshold{_outside(one)}:",
            _thresholds(one),
            *([] if one.threshold is None else [_kept(one, one.threshold)]),
        ]
    )


def _reliability(one: Answers) -> str:
    bins = one.bins
    rows = (
        (f"{sure:.3f}", f"{right:.3f}", f"{known.low:.3f} to {known.high:.3f}", f"{count}")
        for sure, right, known, count in zip(
            bins.confidence, bins.accuracy, one.intervals, bins.count, strict=True
        )
    )
    return table(("mean confidence", "accuracy", "95 % interval", "tickets"), rows)


def _coverage(one: Answers) -> str:
    rows = (
        (f"{100 * share:.0f} %", f"{accuracy_at(one.confidence_N, one.right_N, share):.3f}")
        for share in COVERAGES
    )
    return table(("tickets answered", "accuracy"), rows)


def _thresholds(one: Answers) -> str:
    rows = []
    for least in THRESHOLDS:
        accepted_N = one.from_confidence(least)
        rows.append((f"{least:.2f}", *_precision(one, accepted_N), percent(accepted_N.mean())))
    return table(("confidence from", "precision", "95 % interval", "coverage"), rows)


def _outside(one: Answers) -> str:
    """Where tickets are out of scope, how many, and what becomes of them."""
    outside = int((~one.inside_N).sum())
    total = len(one.inside_N)
    return (
        f" ({outside:,} of {total:,} tickets are out of scope, always `human`)" if outside else ""
    )


def _precision(one: Answers, accepted_N: BoolArray) -> tuple[str, str]:
    accepted, right = int(accepted_N.sum()), int(one.right_N[accepted_N].sum())
    if not accepted:
        return "", ""
    known = wilson(right, accepted)
    return f"{right / accepted:.3f}", f"{known.low:.3f} to {known.high:.3f}"


def _kept(one: Answers, threshold: Threshold) -> str:
    """What the task's own thresholds do on these tickets."""
    accepted_N = one.auto(threshold)
    shown_N = ~accepted_N & one.from_confidence(threshold.suggest)
    total, accepted, shown = len(accepted_N), int(accepted_N.sum()), int(shown_N.sum())
    line = (
        f'By its own thresholds (see "Automation") {percent(accepted / total)} of these tickets '
        f"are `auto`, {percent(shown / total)} `suggest`, "
        f"{percent((total - accepted - shown) / total)} `human`."
    )
    if not accepted:
        return line
    right = int(one.right_N[accepted_N].sum())
    known = wilson(right, accepted)
    return (
        f"{line}\nOf the {accepted:,} `auto` ones {right:,} are right: {percent(right / accepted)} "
        f"(95 % interval {100 * known.low:.1f} to {percent(known.high)})."
    )


_UNTOUCHED = "Nothing was fitted or chosen on these tickets."
_RECALIBRATED = """\
This bundle was recalibrated since (see "Recalibrated"). Nothing was fitted or chosen on these
tickets unless they were among those that it was recalibrated on. If the desk has changed, its
confidences fit those, not these older ones."""
