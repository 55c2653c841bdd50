"""A rule and a task's calibrated probabilities come in; label, confidence and decision go out.

Shapes: C classes.
"""

import numpy as np
from numpy.typing import NDArray

from service.api.schema import Alternative, Decision, Prediction, PredictionSet
from service.ledger.records import Told
from service.rules import NEVER, Rule, WantedSet
from service.statistics.choice import choose
from service.statistics.conformal import SCORES

__all__ = ["DEFAULT_TOP_K", "MAX_TOP_K", "Rule", "WantedSet", "decide", "label_set", "told"]

DEFAULT_TOP_K = 3
MAX_TOP_K = 100

_ROUNDING = 1e-6
"""A graph's last digit, by which a score may exceed the limit that it was meant to meet."""


def decide(
    rule: Rule,
    probabilities_C: NDArray[np.float32],
    top_k: int = DEFAULT_TOP_K,
    wanted: WantedSet | None = None,
    *,
    inside: bool = True,
) -> Prediction:
    """What the reply says about one task.

    probabilities_C: (classes,), calibrated, in the order of the task's labels; of equal ones the
    first label wins. top_k: labels reported at most, the predicted one included. inside: whether
    the ticket is in scope; outside, a human decides. Confidences are rounded to six decimals before
    they meet a threshold, so that a decision can be checked from the reply.
    """
    values_C, labels = probabilities_C.tolist(), rule.labels
    # Of a dozen values Python's own sort takes half the time of an array's.
    ranked_C = sorted(range(len(values_C)), key=values_C.__getitem__, reverse=True)
    chosen, likeliest = ranked_C[0], None
    if rule.chooses is not None and (cheapest := _cheapest(rule, probabilities_C)) != chosen:
        likeliest = Alternative(labels[chosen], rounded(values_C[chosen]))
        ranked_C.remove(cheapest)
        ranked_C.insert(0, cheapest)
        chosen = cheapest
    confidence, auto = rounded(values_C[chosen]), rule.auto_C[chosen]
    found = decision(confidence, auto, rule.suggest) if inside else "human"
    if found == "auto" and rule.price_CC is not None and _is_dear(rule, probabilities_C, chosen):
        found = decision(confidence, NEVER, rule.suggest)
    return Prediction(
        labels[chosen],
        confidence,
        found,
        None if auto == NEVER else auto,
        [Alternative(labels[other], rounded(values_C[other])) for other in ranked_C[1:top_k]],
        rule.promise,
        likeliest,
        None if wanted is None else label_set(rule, probabilities_C, wanted),
    )


def rounded(value: float) -> float:
    """To six decimals: `round(value, 6)` in a third of its time.

    Of a float32 it is the same number: 24 bits times a million are exact in 53, so that only the
    division rounds, to the float nearest to the decimal.
    """
    return round(value * 1e6) / 1e6


def decision(confidence: float, auto: float, suggest: float) -> Decision:
    """What a confidence allows; both thresholds are infinite where nothing is promised."""
    if confidence >= auto:
        return "auto"
    return "suggest" if confidence >= suggest else "human"


def told(task: str, said: Prediction) -> Told:
    """What a reply said about one task, as the ledger keeps it."""
    best = said.likeliest
    likeliest = None if best is None else (best.label, best.confidence)
    return Told(task, said.label, said.confidence, said.decision, likeliest)


def label_set(
    rule: Rule, probabilities_C: NDArray[np.float32], wanted: WantedSet
) -> PredictionSet | None:
    """The conformal set, the most probable label first; None where the bundle has no such rule."""
    limits = rule.sets.get(wanted)
    if limits is None:
        return None
    scores_C = SCORES[wanted.method](probabilities_C[np.newaxis])[0]
    inside_C = scores_C <= limits.limits_C + _ROUNDING
    ranked_C = np.argsort(-probabilities_C, kind="stable").tolist()
    return PredictionSet(
        method=wanted.method,
        coverage=limits.coverage,
        per_label=wanted.per_label,
        labels=[rule.labels[index] for index in ranked_C if inside_C[index]],
    )


def _cheapest(rule: Rule, probabilities_C: NDArray[np.float32]) -> int:
    return int(choose(probabilities_C[np.newaxis], rule.chooses, "expected_cost")[0])


def _is_dear(rule: Rule, probabilities_C: NDArray[np.float32], chosen: int) -> bool:
    """Whether the label is expected to cost more than an agent, to six decimals."""
    assert rule.price_CC is not None
    return round(float(probabilities_C @ rule.price_CC[:, chosen]), 6) > rule.limit
