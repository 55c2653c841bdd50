"""Tickets and a configuration come in; what the sampler would really draw goes out."""

from dataclasses import dataclass, field

import numpy as np

from training.audit.association import IntArray
from training.audit.finding import Severity, percent
from training.audit.tickets import Tickets
from training.config import RunConfig
from training.data.dataset import UNLABELLED, Dataset
from training.data.split import SPLITS
from training.doctor.check import Check, check
from training.sampling.build import build_sampler
from training.sampling.realised import Realised, realised

NAME = "realised sampling"
STEPS = 100
OFF = 0.02
"""How far a task's share of the draws may lie from what is stated."""
UNEVEN = 5.0
"""How many times more often one task's labelled tickets may be seen than another's."""


def drawing(material: Tickets, config: RunConfig) -> Check:
    """The first STEPS batches, drawn and not trained on. Raises DataError where a task has no
    labelled training ticket.
    """
    dataset = as_dataset(material)
    found = realised(build_sampler(config.batch, dataset, config.seed), STEPS)
    off = max(abs(found.drawn[task] - share) for task, share in found.stated.items())
    repeats = _repeats(found, dataset, config.batch.size)
    uneven = max(repeats.values()) / min(repeats.values())
    verdict: Severity = "fail" if off > OFF else "warn" if uneven > UNEVEN else "pass"
    shares = "; ".join(
        f"{task} stated {percent(found.stated[task])}, drawn {percent(found.drawn[task])}, "
        f"labelled on {percent(found.labelled[task])}"
        for task in found.stated
    )
    return check(
        NAME,
        verdict,
        f"{uneven:.1f} x",
        f"{STEPS} steps: {shares}; the scarcest task's labelled tickets come {uneven:.1f} times as "
        "often as the largest one's",
        "what is drawn decides which task is learned; a task that repeats much is learned by heart",
        "choose batch.sampling temperature or sqrt, or other counts in batch.composition",
    )


@dataclass(frozen=True)
class Outline(Dataset):
    """Labels and lengths of tickets, without their ids and tokens: what a sampler looks at."""

    words_N: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.words_N)

    @property
    def lengths_N(self) -> IntArray:
        """Words stand for tokens, so no encoder is needed."""
        return self.words_N + 2


def as_dataset(material: Tickets) -> Outline:
    """The training split as a sampler sees it."""
    places = np.flatnonzero(material.split_N == SPLITS.index("train"))
    labels_NT = np.stack([material.labels[task.name][places] for task in material.tasks], axis=1)
    known_NT = np.where(labels_NT < 0, UNLABELLED, labels_NT)
    return Outline((), (), known_NT, material.tasks, 0, words_N=material.words_N[places])


def _repeats(found: Realised, dataset: Dataset, size: int) -> dict[str, float]:
    """By task, how often the draws made for it would go round its labelled tickets in an epoch."""
    draws = max(size, len(dataset))
    return {
        task: share * draws / max(1, len(dataset.labelled(task)))
        for task, share in found.stated.items()
        if share > 0.0
    }
