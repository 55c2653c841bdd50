"""A data set comes in; batches that are one task's each, every task in its turn, go out."""

from dataclasses import dataclass, field

import numpy as np

from training.data.dataset import Dataset
from training.sampling.sampler import Draws, Positions, Sampler


@dataclass
class RoundRobinSampler(Sampler):
    """The tasks take turns; within a window each task's batches are dealt by length."""

    dataset: Dataset
    tasks: tuple[str, ...]
    size: int
    seed: int
    window_steps: int = 50
    _window: tuple[int, list[list[Positions]]] = field(default=(-1, []), init=False, repr=False)

    def __post_init__(self) -> None:
        self._draws = Draws(self.dataset, self.tasks, self.seed)
        self._lengths_N = self.dataset.lengths_N
        self._turns = max(1, self.window_steps // len(self.tasks))

    @property
    def stated(self) -> dict[str, float]:
        """The same for every task."""
        return dict.fromkeys(self.tasks, 1.0 / len(self.tasks))

    def positions(self, step: int) -> Positions:
        """The tickets of one step, counted from 0."""
        turn, task = divmod(step, len(self.tasks))
        window, place = divmod(turn, self._turns)
        if self._window[0] != window:
            self._window = (window, [self._deal(name, window) for name in self.tasks])
        return self._window[1][task][place]

    def drawn(self, step: int) -> dict[str, int]:
        """All of a step's tickets for the task whose turn it is."""
        turn = self.tasks[step % len(self.tasks)]
        return {task: self.size if task == turn else 0 for task in self.tasks}

    def _deal(self, task: str, window: int) -> list[Positions]:
        count = self._turns * self.size
        drawn = self._draws.of(task, window * count, count)
        batches = np.split(drawn[np.argsort(self._lengths_N[drawn], kind="stable")], self._turns)
        number = self.tasks.index(task)
        chance = np.random.default_rng([self.seed, 2, number, window])
        return [batches[place] for place in chance.permutation(self._turns)]
