"""What a test of the verdict says comes in; the documents that the verdict judges go out."""

from service.shadow.findings.document import Judgement
from service.shadow.findings.proofs import Check, Counts, GuardState, Side, Test
from service.shadow.plan import Criterion, Guard

NOTHING = Counts(both=0, challenger=0, incumbent=0, neither=0, n=0)


def side(proven: bool, log_wealth: float = 0.0, bound: float = 0.0, above: bool = True) -> Side:
    """One claim about the gap."""
    return Side(
        claim="gap_above" if above else "gap_below",
        bound=bound,
        log_wealth=log_wealth,
        log_highest=max(0.0, log_wealth),
        log_needed=3.0,
        p_value=0.01 if proven else 0.4,
        proven=proven,
        proven_at=1.0 if proven else None,
        proven_after=500 if proven else None,
    )


def trial(
    *sides: Side, criterion: Criterion = "superiority", labels: int = 1000, gap: float | None = None
) -> Test:
    """A task's test with these sides."""
    return Test(
        criterion=criterion,
        margin=0.0,
        alpha=0.05,
        labels=labels,
        left_out_review=0,
        left_out_early=0,
        counts=NOTHING,
        gap=gap,
        low=-1.0,
        high=1.0,
        sides=sides,
        path=(),
        mcnemar=None,
    )


def guarded(state: str, n: int = 100) -> GuardState:
    """A guard in a state."""
    guard = Guard(dimension="category", value="outage", margin=0.01)
    return GuardState.model_validate(
        {"guard": guard, "n": n, "gap": -0.2 if state == "violated" else 0.1, "state": state}
    )


def checked(state: str) -> Check:
    """A check in a state."""
    return Check.model_validate(
        {"name": "feedback_bias", "state": state, "n": 99, "others": 99, "rows": ()}
    )


def judged(verdict: str, needed: int | None = None) -> Judgement:
    """A verdict."""
    return Judgement.model_validate(
        {"verdict": verdict, "reasons": ("because",), "labels_needed": needed}
    )
