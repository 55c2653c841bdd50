"""A data set and a share a task come in; the positions of each step's batch go out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from training.data.dataset import Dataset
from training.sampling.sampler import Draws, Positions, Sampler

Rule = Literal["proportional", "temperature", "sqrt", "oversample"]
_Dealt = list[tuple[Positions, NDArray[np.int64]]]


def shares(labelled: Mapping[str, int], rule: Rule, temperature: float = 0.75) -> dict[str, float]:
    """Share of the draws for each task, from its number of labelled tickets; they add up to 1.

    proportional: n; temperature: n ** temperature (Raffel et al. 2020, arXiv:1910.10683, who write
    the power as 1/T; 1 is proportional, 0 gives every task the same); sqrt: n ** 0.5; oversample:
    the same for every task, so that the scarce one repeats.
    """
    power = {"proportional": 1.0, "temperature": temperature, "sqrt": 0.5, "oversample": 0.0}[rule]
    weights = {task: float(max(count, 1)) ** power for task, count in labelled.items()}
    total = sum(weights.values())
    return {task: weight / total for task, weight in weights.items()}


@dataclass
class ShareSampler(Sampler):
    """Draws each ticket's task by its share, over a window of steps as exactly as counts allow.

    A window's draws are sorted by length and dealt out in batches, whose order is shuffled: which
    tasks a batch holds, and how many of each, is chance.
    """

    dataset: Dataset
    stated_shares: dict[str, float]
    size: int
    seed: int
    window_steps: int = 50
    _window: tuple[int, _Dealt] = field(default=(-1, []), init=False, repr=False)

    def __post_init__(self) -> None:
        self._tasks = tuple(self.stated_shares)
        self._draws = Draws(self.dataset, self._tasks, self.seed)
        self._lengths_N = self.dataset.lengths_N

    @property
    def stated(self) -> dict[str, float]:
        """The shares as they were given."""
        return self.stated_shares

    def positions(self, step: int) -> Positions:
        """The tickets of one step, counted from 0."""
        return self._at(step)[0]

    def drawn(self, step: int) -> dict[str, int]:
        """For how many of a step's tickets each task was drawn."""
        counts = np.bincount(self._at(step)[1], minlength=len(self._tasks))
        return dict(zip(self._tasks, counts.tolist(), strict=True))

    def _at(self, step: int) -> tuple[Positions, NDArray[np.int64]]:
        window, place = divmod(step, self.window_steps)
        if self._window[0] != window:
            self._window = (window, self._deal(window))
        return self._window[1][place]

    def _deal(self, window: int) -> _Dealt:
        counts = self._counts(window)
        before = sum((self._counts(one) for one in range(window)), np.zeros_like(counts))
        drawn = [
            self._draws.of(task, int(first), int(count))
            for task, first, count in zip(self._tasks, before, counts, strict=True)
        ]
        positions = np.concatenate(drawn)
        tasks = np.repeat(np.arange(len(self._tasks)), counts)
        chance = np.random.default_rng([self.seed, 2, window])
        # Shuffled first: the stable sort leaves tickets of one length in no task's order.
        mixed = chance.permutation(len(positions))
        order = mixed[np.argsort(self._lengths_N[positions[mixed]], kind="stable")]
        batches = np.split(order, self.window_steps)
        return [
            (positions[batches[place]], tasks[batches[place]])
            for place in chance.permutation(self.window_steps)
        ]

    def _counts(self, window: int) -> NDArray[np.int64]:
        """How many of a window's draws each task gets; what the shares leave over is chance."""
        draws = self.size * self.window_steps
        exact = np.array(list(self.stated_shares.values())) * draws
        counts: NDArray[np.int64] = np.floor(exact).astype(np.int64)
        left, over = exact - counts, int(draws - counts.sum())
        if over:
            chance = np.random.default_rng([self.seed, 3, window])
            places = chance.choice(len(left), size=over, replace=False, p=left / left.sum())
            counts[places] += 1
        return counts
