"""Logits and labels of the calibration split come in; a scale and a bias per class, and the share
of labels that look random, go out.

Shapes: N tickets, C classes, S classes that have a ticket.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, logit

from service.contract.bundle import Calibration

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.int64]
Method = Literal[
    "none",
    "temperature",
    "temperature_spread",
    "temperature_bias",
    "temperature_bias_spread",
    "vector",
    "vector_spread",
]

METHODS: tuple[Method, ...] = get_args(Method)
"""From the fewest free numbers to the most."""
SPREADING: frozenset[Method] = frozenset(
    {"temperature_spread", "temperature_bias_spread", "vector_spread"}
)
"""Those that find labels which look random."""
PRIOR = "prior"
"""How the name of a calibration starts that has the analytic offset of weighted training."""
TEMPERATURE_RANGE = (0.05, 20.0)
RIDGE = 0.25
"""As if, before any ticket was seen, every bias and log scale were normal with deviation 2. It
decides where tickets are few, for instance where all are right, and vanishes where they are many.
"""
MOST_SPREAD = 0.5
"""No desk's labels look more random than that."""
USUAL_SPREAD = 0.002
"""Where the ridge draws the spread, in log odds of its share of the most."""
_USUAL_ODDS = float(logit(USUAL_SPREAD / MOST_SPREAD))


def fit(
    method: Method, logits_NC: FloatArray, labels_N: IntArray, offset_C: FloatArray | None = None
) -> Calibration:
    """The scale, bias and spread of least negative log likelihood, with a weak ridge.

    temperature: one scale (Guo et al. 2017, arXiv:1706.04599); temperature_bias: and a bias a
    class; vector: also a scale a class, above 0 (vector scaling, in the same paper). `_spread`:
    also a share of the probability that goes to all labels evenly, as if so many of the labels were
    drawn at random (the uniform part of ensemble temperature scaling, Zhang, Kailkhura & Han 2020,
    arXiv:2003.07329). offset_C: see `priors.offset`; it is added after the scale and is where the
    biases start. Deviations from the papers: scales are drawn to the common one, biases to the
    offset, the spread to `USUAL_SPREAD` (`RIDGE`). A class without a ticket keeps the common scale
    and its offset.
    """
    model = _Model(method, logits_NC, labels_N, offset_C)
    least = model.least()
    scale_C, bias_C = model.scale_and_bias(least)
    return Calibration(
        method=named(method, offset_C is not None),
        scale=_single(scale_C),
        bias=_single(bias_C),
        spread=float(np.float32(model.spread(least))),
    )


def named(method: Method, offset: bool) -> str:
    """How the calibration is called: `prior` is the offset alone, `prior+vector` with a method."""
    if not offset:
        return method
    return PRIOR if method == "none" else f"{PRIOR}+{method}"


def fit_temperature(logits_NC: FloatArray, labels_N: IntArray) -> float:
    """The temperature of `fit`'s method of that name, without offset; without a ticket it is 1."""
    return 1.0 / fit("temperature", logits_NC, labels_N).scale[0]


def temperature_calibration(temperature: float, classes: int) -> Calibration:
    """The calibration that divides every logit by the temperature. Raises ValueError."""
    if not temperature > 0.0:
        raise ValueError(f"temperature must be positive, found {temperature}")
    scale = float(np.float32(1.0 / temperature))
    return Calibration(method="temperature", scale=(scale,) * classes, bias=(0.0,) * classes)


def calibrated(logits_NC: FloatArray, calibration: Calibration) -> FloatArray:
    """Logits (N, C) after scale and bias; `probabilities` spreads their softmax."""
    return np.asarray(logits_NC * np.array(calibration.scale) + np.array(calibration.bias))


def probabilities(logits_NC: FloatArray, calibration: Calibration) -> FloatArray:
    """Calibrated probabilities (N, C), float64."""
    scaled_NC = calibrated(np.asarray(logits_NC, dtype=np.float64), calibration)
    certain_NC, spread = np.exp(log_softmax(scaled_NC, axis=1)), calibration.spread
    return np.asarray(certain_NC * (1.0 - spread) + spread / scaled_NC.shape[1])


@dataclass(frozen=True)
class _Parameters:
    """log_scale: the common one. odds: the spread's log odds less the usual ones. apart_S: each
    class's log scale less the common one. bias_S: less its offset.
    """

    log_scale: float
    odds: float
    apart_S: FloatArray
    bias_S: FloatArray


class _Model:
    """The loss of a method and its gradient, as functions of one flat vector."""

    def __init__(
        self,
        method: Method,
        logits_NC: FloatArray,
        labels_N: IntArray,
        offset_C: FloatArray | None,
    ) -> None:
        self._logits_NC = np.asarray(logits_NC, dtype=np.float64)
        self._rows_N, self._labels_N = np.arange(len(labels_N)), labels_N
        classes = self._logits_NC.shape[1]
        self._offset_C = np.zeros(classes) if offset_C is None else np.asarray(offset_C, float)
        self._seen_S = np.unique(labels_N)
        self._common = method != "none" and len(labels_N) > 0
        self._spread = self._common and method in SPREADING
        self._apart = method in {"vector", "vector_spread"}
        self._biased = self._apart or method in {"temperature_bias", "temperature_bias_spread"}

    def least(self) -> FloatArray:
        """The parameters of the least loss."""
        seen = len(self._seen_S)
        start = np.zeros(self._common + self._spread + seen * (self._apart + self._biased))
        if not len(start):
            return start
        low, high = (-float(np.log(bound)) for bound in reversed(TEMPERATURE_RANGE))
        scale, free = [(low, high)], [(None, None)]
        bounds = scale + free * self._spread + scale * (seen * self._apart)
        bounds += free * (len(start) - len(bounds))
        found = minimize(self._loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
        return np.asarray(found.x)

    def scale_and_bias(self, flat: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Both of shape (C,). The biases of the classes that have tickets move about their offsets
        with mean zero, as nothing else holds those of the others.
        """
        one = self._parameters(flat)
        log_scale_C = np.full(len(self._offset_C), one.log_scale)
        log_scale_C[self._seen_S] += one.apart_S
        bias_C = self._offset_C.copy()
        if self._biased and len(self._seen_S):
            bias_C[self._seen_S] += one.bias_S - one.bias_S.mean()
        return np.exp(log_scale_C), bias_C

    def spread(self, flat: FloatArray) -> float:
        """From 0 to `MOST_SPREAD`; 0 of a method without."""
        if not self._spread:
            return 0.0
        return float(MOST_SPREAD * expit(self._parameters(flat).odds + _USUAL_ODDS))

    def _parameters(self, flat: FloatArray) -> _Parameters:
        seen = len(self._seen_S)
        none_S, first = np.zeros(seen), 1 + self._spread
        return _Parameters(
            log_scale=float(flat[0]) if self._common else 0.0,
            odds=float(flat[1]) if self._spread else 0.0,
            apart_S=flat[first : first + seen] if self._apart else none_S,
            bias_S=flat[-seen:] if self._biased and seen else none_S,
        )

    def _loss(self, flat: FloatArray) -> tuple[float, FloatArray]:
        scale_C, bias_C = self.scale_and_bias(flat)
        tickets = len(self._labels_N)
        logs_NC = self._logits_NC * scale_C + bias_C
        logs_NC -= logs_NC.max(axis=1, keepdims=True)
        slope_NC = np.exp(logs_NC)
        mass_N = slope_NC.sum(axis=1)
        likely_N = logs_NC[self._rows_N, self._labels_N] - np.log(mass_N)
        slope_NC /= mass_N[:, None]
        slope_NC[self._rows_N, self._labels_N] -= 1.0
        by_odds = 0.0
        if self._spread:
            likely_N, certain_N, by_odds = self._spread_out(likely_N, self.spread(flat))
            slope_NC *= certain_N[:, None]
        slope = self._slope(slope_NC, scale_C, by_odds) / tickets
        ridge = RIDGE / tickets
        return float(-likely_N.mean() + 0.5 * ridge * flat @ flat), slope + ridge * flat

    def _spread_out(
        self, likely_N: FloatArray, spread: float
    ) -> tuple[FloatArray, FloatArray, float]:
        """Log likelihoods (N,) after the spread, the chances (N,) that the label was not drawn at
        random, and the slope of the summed loss by the spread's log odds.
        """
        kept_N = likely_N + np.log1p(-spread)
        even = np.log(spread) - np.log(self._logits_NC.shape[1])
        mixed_N = np.logaddexp(kept_N, even)
        certain_N = np.exp(kept_N - mixed_N)
        by_spread_N = certain_N / (1.0 - spread) - (1.0 - certain_N) / spread
        by_odds = by_spread_N.sum() * spread * (1.0 - spread / MOST_SPREAD)
        return mixed_N, certain_N, float(by_odds)

    def _slope(self, slope_NC: FloatArray, scale_C: FloatArray, by_odds: float) -> FloatArray:
        """By parameter, from that by calibrated logit."""
        by_log_scale_C = np.einsum("nc,nc->c", slope_NC, self._logits_NC) * scale_C
        parts = [np.array([by_log_scale_C.sum()])]
        if self._spread:
            parts.append(np.array([by_odds]))
        if self._apart:
            parts.append(by_log_scale_C[self._seen_S])
        if self._biased:
            by_bias_S = slope_NC.sum(axis=0)[self._seen_S]
            parts.append(by_bias_S - by_bias_S.mean())
        return np.concatenate(parts)


def _single(values_C: FloatArray) -> tuple[float, ...]:
    """As the graph holds them: rounded to float32."""
    return tuple(float(value) for value in values_C.astype(np.float32))
