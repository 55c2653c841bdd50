"""A data set and a composition come in; the positions of each step's batch go out."""

from dataclasses import dataclass, field

import numpy as np

from training.data.dataset import Dataset
from training.errors import DataError
from training.sampling.sampler import Draws, Positions, Sampler


def composition(requested: dict[str, int], tasks: tuple[str, ...], size: int) -> dict[str, int]:
    """How many tickets of a batch are drawn for each task's labels; adds up to `size`.

    requested: counts by task; tasks that the run does not have are left out, a task that is missing
    gets the mean of the others, and the counts are scaled to `size` by largest remainders, each
    at least 1.
    """
    if size < len(tasks):
        raise DataError(f"a batch of {size} cannot hold a ticket of each of {len(tasks)} tasks")
    known = [requested[task] for task in tasks if task in requested]
    mean = sum(known) / len(known) if known else 1.0
    weights = np.array([requested.get(task, mean) for task in tasks], dtype=float)
    exact = weights / weights.sum() * (size - len(tasks))
    counts = np.floor(exact).astype(int)
    for place in np.argsort(counts - exact, kind="stable")[: size - len(tasks) - counts.sum()]:
        counts[place] += 1
    return {task: int(count) + 1 for task, count in zip(tasks, counts, strict=True)}


@dataclass
class ComposedSampler(Sampler):
    """Draws the same number of tickets for each task in every batch.

    Within a window of steps the draws are dealt by length, so that a batch holds tickets of like
    length and little padding; the order of the window's batches is shuffled again.
    """

    dataset: Dataset
    counts: dict[str, int]
    seed: int
    window_steps: int = 50
    _window: tuple[int, list[Positions]] = field(default=(-1, []), init=False, repr=False)

    def __post_init__(self) -> None:
        self._draws = Draws(self.dataset, tuple(self.counts), self.seed)
        self._lengths_N = self.dataset.lengths_N

    @property
    def stated(self) -> dict[str, float]:
        """The counts as shares of a batch."""
        size = sum(self.counts.values())
        return {task: count / size for task, count in self.counts.items()}

    def positions(self, step: int) -> Positions:
        """The tickets of one step, counted from 0."""
        window, place = divmod(step, self.window_steps)
        if self._window[0] != window:
            self._window = (window, self._deal(window))
        return self._window[1][place]

    def drawn(self, step: int) -> dict[str, int]:  # noqa: ARG002 - every step has the same
        """The composition."""
        return self.counts

    def _deal(self, window: int) -> list[Positions]:
        parts = [self._sorted_draws(task, window) for task in self.counts]
        batches = [np.concatenate(rows) for rows in zip(*parts, strict=True)]
        order = np.random.default_rng([self.seed, 2, window]).permutation(len(batches))
        return [batches[place] for place in order]

    def _sorted_draws(self, task: str, window: int) -> list[Positions]:
        count = self.counts[task]
        first = window * self.window_steps * count
        drawn = self._draws.of(task, first, self.window_steps * count)
        drawn = drawn[np.argsort(self._lengths_N[drawn], kind="stable")]
        return np.split(drawn, self.window_steps)
