"""The narrow protocol of a sampler, and the endless shuffles that every sampler draws from.

Every batch is a function of seed and step alone, so that a resumed run draws what the first would
have drawn.
"""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from training.data.dataset import Dataset
from training.errors import DataError

Positions = NDArray[np.int64]


class Sampler(ABC):
    """Whose tickets a step sees. dataset: the training split."""

    dataset: Dataset

    @property
    @abstractmethod
    def stated(self) -> dict[str, float]:
        """The share of the tickets that is to be drawn for each task; they add up to 1."""

    @abstractmethod
    def positions(self, step: int) -> Positions:
        """The tickets of one step, counted from 0."""

    @abstractmethod
    def drawn(self, step: int) -> dict[str, int]:
        """For how many of a step's tickets each task was drawn."""


class Draws:
    """Of each task, an endless sequence of its labelled tickets: each once a cycle, every cycle in
    another order. Raises DataError where a task has none.
    """

    def __init__(self, dataset: Dataset, tasks: tuple[str, ...], seed: int) -> None:
        self._tasks = tasks
        self._seed = seed
        self._labelled = {task: dataset.labelled(task) for task in tasks}
        for task, positions in self._labelled.items():
            if len(positions) == 0:
                raise DataError(f"task {task} has no labelled ticket in the training split")

    def of(self, task: str, first: int, count: int) -> Positions:
        """The draws `first` to `first + count` of a task's sequence."""
        labelled = self._labelled[task]
        places = np.arange(first, first + count)
        if count == 0:
            return places
        cycles = places // len(labelled)
        number = self._tasks.index(task)
        parts = []
        for cycle in range(int(cycles[0]), int(cycles[-1]) + 1):
            shuffled = np.random.default_rng([self._seed, 1, number, cycle]).permutation(labelled)
            parts.append(shuffled[places[cycles == cycle] % len(labelled)])
        return np.concatenate(parts)
