"""A finished run and one of its tasks come in; everything that the page shows of the task goes
out.
"""

from dataclasses import dataclass

import numpy as np

from service.contract.promises import Scope
from service.contract.tasks import Task
from training.calibration.promises import Promises
from training.calibration.selection import Selected, select
from training.report.confusions import MOST, Confusions, confusions
from training.report.coverage import Coverage, coverage
from training.report.decisions import Decided, decisions
from training.report.finished import Finished
from training.report.fitted import Fitted, fitted
from training.report.learning import Learning, learning
from training.report.outcome import Outcome, labelled_inside, outcome, tell
from training.report.paging import Paging, paging
from training.report.promised import Promised, Shown, promised
from training.report.quality import Quality, qualities
from training.report.reliability import Diagram, diagram

MANY = 6
"""From so many tasks on, each gets a smaller confusion matrix, so that the page stays small."""


@dataclass(frozen=True)
class Seen:
    """What the test split's predictions show: None of it where there are none.

    outside: of the tickets, out of scope.
    """

    tickets: int
    outside: int
    before: Diagram
    after: Diagram
    coverage: Coverage
    decisions: tuple[Decided, ...]
    paging: Paging | None
    confusions: Confusions


@dataclass(frozen=True)
class TaskReport:
    """missing: why there is nothing of the test split, in words."""

    task: Task
    qualities: tuple[Quality, ...]
    fitted: Fitted
    promised: Promised | None
    learning: Learning | None
    seen: Seen | None
    missing: str | None


def task_report(
    finished: Finished,
    task: Task,
    tickets_a_week: float,
    promises: Promises,
    scope: Scope | None = None,
) -> TaskReport:
    """scope: tells which tickets are in scope; None for all.

    Raises ConfigError where a promise names a label that the task lacks.
    """
    calibration = finished.facts.calibration[task.name]
    test = outcome(task, calibration, finished.predictions, "test", scope)
    selected, offered = _promised(finished, task, test, tickets_a_week, promises, scope)
    most = MOST if len(finished.facts.tasks) < MANY else MOST // 2
    return TaskReport(
        task=task,
        qualities=qualities(finished.facts.metrics["tasks"][task.name]),
        fitted=fitted(task, calibration, selected),
        promised=offered,
        learning=learning(finished.events, task.name),
        seen=None if test is None else _seen(test, offered, tickets_a_week, most),
        missing=_missing(finished) if test is None else None,
    )


def _promised(
    finished: Finished,
    task: Task,
    test: Outcome | None,
    tickets_a_week: float,
    promises: Promises,
    scope: Scope | None,
) -> tuple[Selected | None, Promised | None]:
    if "calibration" not in finished.predictions:
        return None, None
    split = finished.predictions["calibration"]
    logits_NC, labels_N = split.labelled(task.name)
    if len(labels_N) == 0:
        return None, None
    offset = finished.facts.offsets.get(task.name)
    selected = select(logits_NC, labels_N, None if offset is None else np.array(offset))
    shown = Shown(
        task, selected.probabilities_NC, labels_N, labelled_inside(split, task.name, scope)
    )
    return selected, promised(shown, test, promises, tickets_a_week)


def _seen(test: Outcome, offered: Promised | None, tickets_a_week: float, most: int) -> Seen:
    told = test.told()
    threshold = None if offered is None else offered.threshold
    by_rule = told if threshold is None else test.told(threshold.costs, threshold.choose)
    return Seen(
        tickets=len(test),
        outside=int((~test.inside_N).sum()),
        before=diagram(tell(test.before_NC, test.labels_N, test.inside_N), "before"),
        after=diagram(told, "after"),
        coverage=coverage(told),
        decisions=decisions(by_rule, test.task.labels, tickets_a_week, threshold),
        paging=paging(test, tickets_a_week),
        confusions=confusions(test, told, most),
    )


def _missing(finished: Finished) -> str:
    if "test" not in finished.predictions:
        return (
            "This run was concluded before Harbor kept its predictions, so nothing can be drawn "
            "from them. Train anew with this Harbor to have reliability, coverage and thresholds."
        )
    return "No ticket of the test split has a label of this task: there is nothing to draw."
