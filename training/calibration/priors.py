"""Class weights, probabilities or labels come in; corrections for shifted priors go out.

Shapes: N tickets, U tickets without labels, C classes.
"""

import numpy as np

from service.contract.bundle import Calibration
from training.calibration.fit import FloatArray, IntArray, probabilities

SPARED = 0.01
"""The share of tickets by which thinned priors may miss the wanted ones: about as far as an
estimate from a thousand unlabelled tickets is from the truth.
"""


def offset(weights_C: FloatArray) -> FloatArray:
    """What to add to the logits of a network that was trained with class weights, shape (C,).

    Weighted cross-entropy is least where the softmax is proportional to weight times probability;
    subtracting the logarithm of the weight gives the data's own priors back (King & Zeng 2001;
    Menon et al. 2021, arXiv:2007.07314). Raises ValueError where a weight is not positive.
    """
    if not (np.asarray(weights_C) > 0.0).all():
        raise ValueError(f"class weights must be positive, found {np.min(weights_C)}")
    # Adding zero turns the -0.0 of a weight of one into 0.0.
    return np.asarray(-np.log(np.asarray(weights_C, dtype=np.float64)) + 0.0)


def saerens(
    probabilities_NC: FloatArray,
    prior_C: FloatArray,
    iterations: int = 1000,
    tolerance: float = 1e-8,
) -> FloatArray:
    """The priors (C,) of unlabelled tickets, by EM (Saerens et al. 2002, Neural Computation 14).

    probabilities_NC: calibrated where the priors were prior_C. Assumes label shift: tickets of one
    label look alike in both places. A class of prior 0 keeps it. Stops where no prior moves by more
    than `tolerance`. Without a ticket the priors stay. Raises ValueError where prior_C is no
    distribution.
    """
    before_C = np.asarray(prior_C, dtype=np.float64)
    if (before_C < 0.0).any() or abs(float(before_C.sum()) - 1.0) > 1e-6:
        raise ValueError(f"priors must be shares that add up to 1, found {before_C.sum()}")
    if len(probabilities_NC) == 0:
        return before_C
    likelihood_NC = np.divide(
        probabilities_NC, before_C, out=np.zeros_like(probabilities_NC), where=before_C > 0.0
    ).astype(np.float64)
    found_C = before_C
    for _ in range(iterations):
        joint_NC = likelihood_NC * found_C
        mass_N = np.maximum(joint_NC.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
        previous_C, found_C = found_C, (joint_NC / mass_N).mean(axis=0)
        if np.abs(found_C - previous_C).max() <= tolerance:
            break
    return np.asarray(found_C / found_C.sum())


def label_shares(
    calibration: Calibration, labelled_NC: FloatArray, recent_UC: FloatArray
) -> FloatArray:
    """The shares (C,) of labels among recent tickets that have none, by `saerens`.

    labelled_NC, recent_UC: logits. calibration: fitted on the labelled tickets, with biases. Labels
    that look random do not shift with the tickets, they stay as many and as even: the EM sees the
    softmax before the spread, from its mean over the labelled tickets on, and what it finds is
    spread after. An EM on the spread probabilities takes a share of random labels for tickets.
    """
    spread = calibration.spread
    certain = calibration.model_copy(update={"spread": 0.0})
    prior_C = probabilities(labelled_NC, certain).mean(axis=0)
    found_C = saerens(probabilities(recent_UC, certain), prior_C)
    return np.asarray(found_C * (1.0 - spread) + spread / len(found_C))


def thin(labels_N: IntArray, prior_C: FloatArray, wanted_C: FloatArray, seed: int = 0) -> IntArray:
    """Positions of the labelled tickets to keep so that they have the wanted priors.

    Rejection sampling: a ticket of class c stays with a chance proportional to
    wanted_C[c] / prior_C[c]. Under label shift the kept ones are a sample of the tickets that have
    the wanted priors, so whatever is fitted on them holds there. prior_C: shares of labels_N.

    Two deviations, as the wanted priors are estimates. The largest ratios are cut as far as moves
    the priors by at most `SPARED` in all (total variation): else a label of one ticket in two
    hundred that is ten times as frequent now would throw nine tenths of all the others away. And a
    class of the labelled tickets keeps at least one of them: a share below one in the kept tickets
    cannot be told from 0.
    """
    present_C = np.bincount(labels_N, minlength=len(prior_C)) > 0
    ratio_C = np.divide(
        wanted_C, prior_C, out=np.zeros(len(prior_C)), where=present_C & (np.asarray(prior_C) > 0.0)
    )
    if (most := _most(ratio_C, np.asarray(prior_C), np.asarray(wanted_C))) <= 0.0:
        return np.zeros(0, dtype=np.int64)
    drawn_N = np.random.default_rng(seed).random(len(labels_N))
    kept_N = drawn_N < (ratio_C / most)[labels_N]
    for label in np.setdiff1d(labels_N, labels_N[kept_N]):
        kept_N[np.argmin(np.where(labels_N == label, drawn_N, 1.0))] = True
    return np.flatnonzero(kept_N)


def _most(ratio_C: FloatArray, prior_C: FloatArray, wanted_C: FloatArray) -> float:
    """The ratio from which tickets stay for sure: the least that cuts `SPARED` of the wanted priors
    at most, the sum over the classes of max(0, wanted - most * prior).

    That sum is the largest over the first k classes by ratio, for any k, so each k bounds it.
    """
    order_C = np.argsort(-ratio_C, kind="stable")[: int((ratio_C > 0.0).sum())]
    bounds_C = (np.cumsum(wanted_C[order_C]) - SPARED) / np.cumsum(prior_C[order_C])
    return float(bounds_C.max(initial=0.0))
