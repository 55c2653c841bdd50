"""A sampler comes in; what its first steps really drew goes out, beside what was stated."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from training.sampling.sampler import Sampler


@dataclass(frozen=True)
class Realised:
    """By task: the share of the tickets that was to be drawn for it, that was drawn for it, and
    that carry its label, for whichever task they were drawn.
    """

    steps: int
    stated: dict[str, float]
    drawn: dict[str, float]
    labelled: dict[str, float]

    def document(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def realised(sampler: Sampler, steps: int) -> Realised:
    """What the first `steps` steps draw, at least 1; nothing is trained."""
    tasks = list(sampler.stated)
    drawn, labelled, tickets = np.zeros(len(tasks)), np.zeros(len(tasks)), 0
    known_NT = np.stack([sampler.dataset.known(task) for task in tasks], axis=1)
    for step in range(steps):
        positions = sampler.positions(step)
        tickets += len(positions)
        counts = sampler.drawn(step)
        drawn += [counts[task] for task in tasks]
        labelled += known_NT[positions].sum(axis=0)
    return Realised(
        steps,
        sampler.stated,
        dict(zip(tasks, (drawn / tickets).tolist(), strict=True)),
        dict(zip(tasks, (labelled / tickets).tolist(), strict=True)),
    )
