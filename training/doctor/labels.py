"""Tickets with their labels and splits come in; whether they are enough, and right, goes out.

Shapes: N tickets, C labels of a task.
"""

import math

import numpy as np
from scipy.stats import norm

from service.contract.tasks import Task
from service.statistics.intervals import wilson
from training.audit.association import IntArray
from training.audit.finding import Severity, graded, percent
from training.audit.tickets import Tickets
from training.data.split import SPLITS
from training.doctor.check import Check, check
from training.noise import TaskDoubts

COUNTS, NOISE, TEST_SIZE = "label counts", "label noise", "size of the test split"
SCARCE = 10
"""Fewer training tickets of a label teach little."""
DISCORDANT = 0.1
"""The share of test tickets that exactly one of two compared models is supposed to have right."""
_NOISE_LIMITS: dict[Severity, float] = {"warn": 0.1}
_SIZE_LIMITS: dict[Severity, float] = {"fail": 0.15, "warn": 0.03}


def counts(material: Tickets) -> list[Check]:
    """For each task: does every label have tickets to be learned from and tested on."""
    return [_counts(material, task) for task in material.tasks]


def noise(doubts: list[TaskDoubts]) -> list[Check]:
    """For each task: how many labels confident learning takes for wrong."""
    return [_noise(one) for one in doubts]


def sizes(material: Tickets) -> list[Check]:
    """For each primary task: the smallest difference in accuracy that the test split can show."""
    return [_size(material, task) for task in material.tasks if task.role == "primary"]


def detectable(tickets: int, discordant: float = DISCORDANT, power: float = 0.8) -> float:
    """The smallest difference in accuracy that a paired test at 0.05, two-sided, finds with this
    power (Connor 1987, Biometrics 43, solved for the difference); 1 where none is found.

    tickets: with a label, in the test split. discordant: share that exactly one model has right.
    """
    alpha, beta = float(norm.ppf(0.975)), float(norm.ppf(power))

    def needed(gap: float) -> float:
        return (alpha * math.sqrt(discordant) + beta * math.sqrt(discordant - gap**2)) ** 2 / gap**2

    low, high = 1e-9, discordant
    if tickets < needed(high):
        return 1.0
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (low, middle) if needed(middle) <= tickets else (middle, high)
    return high


def of_split(material: Tickets, task: Task, split: str) -> IntArray:
    """How many tickets of a split carry each label, (C,)."""
    here_N = material.split_N == SPLITS.index(split)
    labels_N = material.labels[task.name]
    return np.bincount(labels_N[here_N & (labels_N >= 0)], minlength=task.classes)


def _counts(material: Tickets, task: Task) -> Check:
    whole_C = np.bincount(
        material.labels[task.name][material.labels[task.name] >= 0], minlength=task.classes
    )
    train_C, test_C = of_split(material, task, "train"), of_split(material, task, "test")
    rarest = int(whole_C.argmin())
    untested, scarce = int((test_C == 0).sum()), int((train_C < SCARCE).sum())
    verdict: Severity = "fail" if whole_C.min() < 2 else "warn" if untested or scarce else "pass"
    said = (
        f"{int(train_C.sum()):,} labelled training tickets over {task.classes} labels; the rarest, "
        f"{task.labels[rarest]}, has {int(whole_C[rarest]):,} tickets; {scarce} labels have fewer "
        f"than {SCARCE} for training, {untested} have none in the test split"
    )
    return check(
        f"{COUNTS}: {task.name}",
        verdict,
        f"{int(whole_C.min()):,}",
        said,
        "a label on one ticket can be trained or tested, never both; scarce labels decide macro-F1",
        "label more of the rare labels, merge them, or raise data.min_label_rows",
    )


def _noise(found: TaskDoubts) -> Check:
    interval = wilson(min(found.wrong, found.tickets), found.tickets)
    return check(
        f"{NOISE}: {found.task}",
        graded(found.share, _NOISE_LIMITS),
        percent(found.share),
        f"out of fold, text and label disagree on about {found.wrong:,} of {found.tickets:,} "
        f"tickets ({percent(interval.low)} to {percent(interval.high)})",
        "wrong labels bound what can be reached and what a test can show; ambiguous ones count too",
        "have agents look at the queue of harbor-train relabel, or gather several votes a ticket",
    )


def _size(material: Tickets, task: Task) -> Check:
    tickets = int(of_split(material, task, "test").sum())
    gap = detectable(tickets)
    shown = percent(gap) if gap < 1.0 else "none"
    found = f"a difference in accuracy of {shown} or more" if gap < 1.0 else "no difference"
    return check(
        f"{TEST_SIZE}: {task.name}",
        graded(gap, _SIZE_LIMITS),
        shown,
        f"{tickets:,} labelled test tickets find, four times in five, {found} between two models "
        f"that differ on {percent(DISCORDANT)} of them",
        "a difference that the test split cannot show is no reason to prefer a model",
        "label more tickets, raise data.test, or test in folds (data.fold)",
    )
