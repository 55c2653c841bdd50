"""Logits and labels of the calibration split come in; a temperature, as scale and bias, goes out.

Shapes: N tickets, C classes.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from service.contract.bundle import Calibration

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.int64]

TEMPERATURE_RANGE = (0.05, 20.0)


def fit_temperature(logits_NC: FloatArray, labels_N: IntArray) -> float:
    """The temperature of least negative log likelihood (Guo et al. 2017, arXiv:1706.04599).

    labels_N: indices, all labelled. The likelihood has one minimum in 1/T, so a bounded search
    finds it. Without a ticket the temperature is 1.
    """
    if len(labels_N) == 0:
        return 1.0
    low, high = (float(np.log(bound)) for bound in TEMPERATURE_RANGE)
    rows = np.arange(len(labels_N))
    logits = np.asarray(logits_NC, dtype=np.float64)

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(np.mean(scaled[rows, labels_N]))

    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def temperature_calibration(temperature: float, classes: int) -> Calibration:
    """The calibration that divides every logit by the temperature. Raises ValueError."""
    if not temperature > 0.0:
        raise ValueError(f"temperature must be positive, found {temperature}")
    scale = float(np.float32(1.0 / temperature))
    return Calibration(method="temperature", scale=(scale,) * classes, bias=(0.0,) * classes)


def calibrated(logits_NC: FloatArray, calibration: Calibration) -> FloatArray:
    """Logits (N, C) after scale and bias; their softmax is the calibrated probability."""
    return np.asarray(logits_NC * np.array(calibration.scale) + np.array(calibration.bias))
