"""Labels that count and a plan's guards come in; how each guarded segment stands goes out."""

from collections.abc import Sequence

from service.shadow.findings.labelled import Labels
from service.shadow.findings.proofs import GuardState
from service.shadow.plan import Guard


def watch(guards: Sequence[Guard], labels: Labels) -> tuple[GuardState, ...]:
    """Each guard on the labels of its segment; the observed gap decides."""
    return tuple(
        _state(guard, labels.among(inside_N))
        for guard, inside_N in zip(guards, labels.inside_GN, strict=True)
    )


def _state(guard: Guard, labels: Labels) -> GuardState:
    pairs = labels.pairs
    gap = pairs.gap if pairs.n else None
    if gap is None or pairs.n < guard.min_labels:
        return GuardState(guard=guard, n=pairs.n, gap=gap, state="too_few_labels")
    state = "violated" if gap < -guard.margin else "holds"
    return GuardState(guard=guard, n=pairs.n, gap=gap, state=state)
