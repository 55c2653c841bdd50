"""Cases that count and a plan's guards come in; how each guarded segment stands goes out."""

from collections.abc import Sequence

from service.ledger.records import Case
from service.shadow.findings.dimensions import value_of
from service.shadow.findings.labelled import pairs_of
from service.shadow.findings.proofs import GuardState
from service.shadow.plan import Guard


def watch(guards: Sequence[Guard], cases: Sequence[Case]) -> tuple[GuardState, ...]:
    """Each guard on the labelled cases of its segment; the observed gap decides."""
    return tuple(_state(guard, cases) for guard in guards)


def _state(guard: Guard, cases: Sequence[Case]) -> GuardState:
    inside = [one for one in cases if value_of(one, guard.dimension, final=True) == guard.value]
    pairs = pairs_of(inside)
    gap = pairs.gap if pairs.n else None
    if gap is None or pairs.n < guard.min_labels:
        return GuardState(guard=guard, n=pairs.n, gap=gap, state="too_few_labels")
    state = "violated" if gap < -guard.margin else "holds"
    return GuardState(guard=guard, n=pairs.n, gap=gap, state=state)
