"""Thresholds of a promise on simulated tickets."""

import numpy as np

from service.contract.promises import Threshold
from tests.training.calibration.simulated import QUEUE, URGENCY, Simulated
from training.calibration.promises import parse_promises
from training.calibration.thresholds import threshold


def decide(
    simulated: Simulated,
    level: float = 0.95,
    inside: np.ndarray | None = None,
    **promise: object,
) -> Threshold:
    """inside: in scope; None for all."""
    task = QUEUE if simulated.probabilities.shape[1] == 3 else URGENCY
    wanted = parse_promises({task.name: promise}, "a file").tasks[task.name]
    return threshold(task, simulated.probabilities, simulated.labels, wanted, level, inside)
