"""One task's validation macro-F1, epoch by epoch, comes in; whether the other tasks cost it
something goes out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

ROW = 2
"""So many epochs in a row must show it."""

QUANTILE = 2.33
"""Of the normal distribution: 1 % on one side. The best of several epochs is high by luck too."""


@dataclass
class Scores:
    """A task's validation macro-F1 and the run's metric, one each an epoch.

    evenness: the tickets that the noise is reckoned with, as a share of those there are; 1 where
    all classes have as many.
    """

    evenness: float = 1.0
    macro_f1: list[float] = field(default_factory=list)
    metrics: list[float] = field(default_factory=list)
    n: float = 0.0

    @classmethod
    def over(cls, counts: Sequence[int] | None) -> Self:
        """For a task with so many validation tickets of each class; None: even.

        A mean over classes is as noisy as its rarest ones: the variance of C equally weighted
        parts is that of C^2 / sum(1 / n_c) tickets.
        """
        known = [count for count in counts or () if count > 0]
        if not known:
            return cls()
        return cls(len(known) ** 2 / sum(1.0 / count for count in known) / sum(known))

    def add(self, macro_f1: float, n: float, metric: float) -> None:
        """One more epoch, over n labelled tickets."""
        self.macro_f1.append(macro_f1)
        self.metrics.append(metric)
        self.n = n

    @property
    def best(self) -> int:
        """The first epoch, counted from 0, of the highest macro-F1."""
        return self.macro_f1.index(max(self.macro_f1))

    @property
    def noise(self) -> float:
        """How far apart two networks that are equally good may well be.

        From the variance of two shares, as if each network had tickets of its own: they have the
        same, which makes the true noise smaller, so that this errs on the side of silence.
        """
        share = max(self.macro_f1)
        return QUANTILE * math.sqrt(2.0 * share * (1.0 - share) / (self.n * self.evenness))


def fell(task: str, scores: Scores) -> str | None:
    """What is to be said where the last ROW epochs are all below the task's own best by more than
    noise, while the run's metric is above what it was then; else None.
    """
    best, noise = scores.best, scores.noise
    late = range(len(scores.macro_f1) - ROW, len(scores.macro_f1))
    if late.start <= best:
        return None
    lost = all(scores.macro_f1[epoch] < scores.macro_f1[best] - noise for epoch in late)
    if not lost or not all(scores.metrics[epoch] > scores.metrics[best] for epoch in late):
        return None
    return (
        f"{task} fell from a macro-F1 of {scores.macro_f1[best]:.3f} in epoch {best} to "
        f"{scores.macro_f1[-1]:.3f}, more than the noise of {noise:.3f}, while the run's metric "
        f"rose from {scores.metrics[best]:.3f} to {scores.metrics[-1]:.3f}"
    )


def below_single(task: str, scores: Scores, single: float) -> str | None:
    """What is to be said where the task has not risen for ROW epochs and its best is below that of
    its single-task model by more than noise; else None.
    """
    best = scores.best
    short = single - scores.macro_f1[best]
    if len(scores.macro_f1) - 1 - best < ROW or short <= scores.noise:
        return None
    return (
        f"{task} stopped rising at a macro-F1 of {scores.macro_f1[best]:.3f} in epoch {best}, "
        f"{short:.3f} below its single-task model, more than the noise of {scores.noise:.3f}"
    )
