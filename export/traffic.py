"""Answers to labelled and to recent, unlabelled tickets come in; those labelled ones that have the
label shares of today go out.

Shapes: N labelled tickets, U recent ones, C classes of a task.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.labelled import check_labels
from service.contract.tasks import Task
from training.calibration.fit import fit
from training.calibration.priors import label_shares, thin
from training.data.dataset import UNLABELLED
from training.predictions import Predictions

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.int64]
SEED = 0


@dataclass(frozen=True)
class Shift:
    """Of one task. shares: by label, among the labelled tickets and among today's, as estimated.

    labelled, kept: tickets before and after thinning.
    """

    task: str
    shares: dict[str, tuple[float, float]]
    labelled: int
    kept: int


def shifted(
    tasks: Sequence[Task],
    labelled: Predictions,
    traffic: Predictions,
    offsets: Mapping[str, FloatArray],
) -> tuple[dict[str, IntArray], list[Shift]]:
    """By task the labels (N,), UNLABELLED for tickets that were thinned out, and what was found.

    Every task is thinned by itself. Raises LabelsRefused where too few tickets remain.
    """
    labels, shifts = {}, []
    for task in tasks:
        known_N = np.flatnonzero(labelled.labels[task.name] != UNLABELLED)
        logits_NC, labels_N = labelled.labelled(task.name)
        prior_C = np.bincount(labels_N, minlength=task.classes) / len(labels_N)
        offset_C = offsets.get(task.name)
        today_C = _today(logits_NC, labels_N, traffic.logits[task.name], offset_C)
        kept_N = known_N[thin(labels_N, prior_C, today_C, SEED)]
        thinned_N = np.full_like(labelled.labels[task.name], UNLABELLED)
        thinned_N[kept_N] = labelled.labels[task.name][kept_N]
        labels[task.name] = thinned_N
        shares = zip(prior_C.tolist(), today_C.tolist(), strict=True)
        found = dict(zip(task.labels, shares, strict=True))
        shifts.append(Shift(task.name, found, len(known_N), len(kept_N)))
        counts = np.bincount(thinned_N[kept_N], minlength=task.classes).tolist()
        by_label = dict(zip(task.labels, counts, strict=True))
        check_labels(task, by_label, f"brought to the label shares of today, {_blame(found)}, ")
    return labels, shifts


def _blame(shares: Mapping[str, tuple[float, float]]) -> str:
    """The labels whose estimated shares thin the most: the one that grew, for all the others, and
    the one that shrank, for itself.
    """
    grown = max(shares, key=lambda label: shares[label][1] / shares[label][0])
    shrunken = min(shares, key=lambda label: shares[label][1] / shares[label][0])
    return "estimated as " + " and ".join(
        f"{label} {shares[label][1]:.3f} (labelled: {shares[label][0]:.3f})"
        for label in dict.fromkeys((grown, shrunken))
    )


def _today(
    logits_NC: FloatArray,
    labels_N: IntArray,
    logits_UC: FloatArray,
    offset_C: FloatArray | None,
) -> FloatArray:
    """The label shares of the recent tickets, (C,).

    The EM asks for probabilities that are calibrated at the priors it starts from, so they are
    calibrated on the labelled tickets themselves, with biases (Alexandari et al. 2020,
    arXiv:1901.06852): the bundle's own calibration is one for the priors of its training.
    """
    calibration = fit("temperature_bias_spread", logits_NC, labels_N, offset_C)
    return label_shares(calibration, logits_NC, logits_UC)
