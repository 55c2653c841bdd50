"""Tickets of a simulated model whose true probabilities are known."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from service.contract.tasks import Task

QUEUE = Task(name="queue", labels=("billing", "network", "payroll"))
URGENCY = Task(name="urgency", labels=("P0", "P1", "P2", "P3"), kind="ordinal")


@dataclass(frozen=True)
class Simulated:
    """logits: of the calibrated model (N, C); probabilities: their softmax; labels: drawn from
    these.
    """

    logits: np.ndarray
    probabilities: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def given(self) -> np.ndarray:
        """The most probable label (N,)."""
        return self.probabilities.argmax(axis=1)

    @cached_property
    def sure(self) -> np.ndarray:
        """Its probability, as the reply has it."""
        return np.round(self.probabilities.max(axis=1), 6)

    @cached_property
    def right(self) -> np.ndarray:
        """Whether it is the label."""
        return np.asarray(self.given == self.labels)

    def at(self, positions: np.ndarray) -> "Simulated":
        return Simulated(
            self.logits[positions], self.probabilities[positions], self.labels[positions]
        )


def simulate(
    tickets: int,
    classes: int = 3,
    seed: int = 0,
    spread: float = 2.0,
    prior: np.ndarray | None = None,
) -> Simulated:
    """spread: of the logits; the more, the more accurate. prior: shifts them by its logarithm."""
    chance = np.random.default_rng(seed)
    logits = chance.normal(size=(tickets, classes)) * spread
    if prior is not None:
        logits += np.log(prior)
    probabilities = softmax(logits)
    return Simulated(logits, probabilities, draw(probabilities, chance))


def mislabelled(simulated: Simulated, share: float, seed: int) -> np.ndarray:
    """The labels (N,), such a share of them drawn anew, evenly over all classes."""
    chance = np.random.default_rng(seed)
    drawn = chance.integers(0, simulated.logits.shape[1], len(simulated))
    return np.where(chance.random(len(simulated)) < share, drawn, simulated.labels)


def softmax(logits: np.ndarray) -> np.ndarray:
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def draw(probabilities: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """A label (N,) from each row."""
    bars = np.cumsum(probabilities, axis=1)[:, :-1]
    return np.asarray((chance.random((len(bars), 1)) > bars).sum(axis=1))
