"""Class weights, probabilities or labels come in; corrections for shifted priors go out.

Shapes: N tickets, C classes.
"""

import numpy as np

from training.calibration.fit import FloatArray, IntArray


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


def thin(labels_N: IntArray, prior_C: FloatArray, wanted_C: FloatArray, seed: int = 0) -> IntArray:
    """Positions of the labelled tickets to keep so that they have the wanted priors.

    Rejection sampling: a ticket of class c stays with a chance proportional to
    wanted_C[c] / prior_C[c]. Under label shift the kept ones are a sample of the tickets that have
    the wanted priors, so whatever is fitted on them holds there. prior_C: shares of labels_N.
    """
    present_C = np.bincount(labels_N, minlength=len(prior_C)) > 0
    ratio_C = np.divide(
        wanted_C, prior_C, out=np.zeros(len(prior_C)), where=present_C & (np.asarray(prior_C) > 0.0)
    )
    if ratio_C.max(initial=0.0) <= 0.0:
        return np.zeros(0, dtype=np.int64)
    chance_N = (ratio_C / ratio_C.max())[labels_N]
    return np.flatnonzero(np.random.default_rng(seed).random(len(labels_N)) < chance_N)
