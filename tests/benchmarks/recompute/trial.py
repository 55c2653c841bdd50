"""Labelled cases come in; a task's test and its guards go out, computed a second time."""

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from tests.benchmarks.recompute import plain
from tests.benchmarks.recompute.counts import counted, four
from tests.benchmarks.recompute.rows import Row, value_of

Three = tuple[int, int, int]
"""Wins, losses and ties so far."""


class Claim(NamedTuple):
    """What is to be shown, at which error."""

    side: str
    margin: float
    alpha: float


class Admitted(NamedTuple):
    """The cases that count, oldest decision first, and how many do not."""

    cases: list[Row]
    left_out: Row


def admit(labelled: Sequence[Row], now: float, maturity_s: float, since: float) -> Admitted:
    """Decided from `since` on, old enough by now, and labelled by the desk itself."""
    late = [case for case in labelled if case["decided"] >= since]
    own = [case for case in late if case["source"] != "review"]
    matured_s, delay_s = maturity(own, maturity_s)
    kept = [case for case in own if case["decided"] <= now - matured_s]
    left_out = {
        "left_out_review": len(late) - len(own),
        "left_out_early": len(labelled) - len(late),
        "left_out_recent": len(own) - len(kept),
        "matured_s": matured_s,
        "delay_s": delay_s,
    }
    return Admitted(kept, left_out)


def maturity(own: Sequence[Row], planned_s: float) -> tuple[float, float | None]:
    """As planned, or 2.5 times as long as nine in ten labels of either model alone took.

    Then also how long that was. 60 days at most; ten such labels are needed.
    """
    won = [sorted(_delay(case) for case in own if _wins(case, one)) for one in ("ci", "ic")]
    slowest = max((one[math.ceil(0.9 * (len(one) - 1))] for one in won if one), default=0.0)
    raised_s = min(60 * 86_400.0, 2.5 * slowest)
    if planned_s == 0 or raised_s <= planned_s or sum(map(len, won)) < 10:
        return planned_s, None
    return raised_s, slowest


def _delay(case: Row) -> float:
    delay: float = case["arrived"] - case["decided"]
    return delay


def _wins(case: Row, sides: str) -> bool:
    """Whether the first of two sides, `c` and `i`, has the final label alone."""
    one, other = (case[side][0] for side in sides)
    return bool(one == case["final"] != other)


def claims(plan: Row, alpha: float, tasks: int) -> list[Claim]:
    """What promotes, what rolls back, and the upper bound of an equivalence."""
    margin = 0.0 if plan["criterion"] == "superiority" else plan["margin"]
    found = [Claim("better", margin, alpha), Claim("worse", margin, alpha / tasks)]
    return [*found, Claim("worse", -margin, alpha)] if plan["criterion"] == "equivalence" else found


def test(admitted: Admitted, plan: Row, stated: Sequence[Claim]) -> Row:
    """Everything that a report says of a test."""
    cases, alpha = admitted.cases, stated[0].alpha
    running = _running(cases)
    path = _path(cases, running, stated, alpha)
    wins, losses, _ = running[-1]
    return {
        "criterion": plan["criterion"],
        "margin": stated[0].margin,
        "alpha": alpha,
        "labels": len(cases),
        **admitted.left_out,
        "counts": counted(cases),
        "gap": (wins - losses) / len(cases) if cases else None,
        "low": path[-1]["low"] if path else -1.0,
        "high": path[-1]["high"] if path else 1.0,
        "sides": [_side(cases, running, claim) for claim in stated],
        "path": path,
        "mcnemar": None if plan["horizon"] is None else _mcnemar(cases, plan["horizon"]),
    }


def guard(one: Row, cases: Sequence[Row]) -> Row:
    """How a guarded segment stands."""
    inside = [
        case for case in cases if value_of(case, one["dimension"], final=True) == one["value"]
    ]
    _, wins, losses, _ = four(inside)
    gap = (wins - losses) / len(inside) if inside else None
    few = gap is None or len(inside) < one["min_labels"]
    state = "too_few_labels" if few else "violated" if gap < -one["margin"] else "holds"
    return {"guard": one, "n": len(inside), "gap": gap, "state": state}


def _running(cases: Sequence[Row]) -> list[Three]:
    gains = [(case["c"][0] == case["final"]) - (case["i"][0] == case["final"]) for case in cases]
    steps = [(int(one > 0), int(one < 0), int(one == 0)) for one in gains]

    def add(before: Three, step: Three) -> Three:
        return before[0] + step[0], before[1] + step[1], before[2] + step[2]

    return list(accumulate(steps, add, initial=(0, 0, 0)))


def _path(
    cases: Sequence[Row], running: Sequence[Three], stated: Sequence[Claim], alpha: float
) -> list[Row]:
    seen = plain.looks(len(cases))
    bounds = plain.sequence([running[n] for n in seen], alpha)
    return [
        {
            "n": n,
            "at": cases[n - 1]["decided"],
            "log_wealth": [plain.log_wealth(*running[n], one.margin, one.side) for one in stated],
            "gap": (running[n][0] - running[n][1]) / n,
            "low": low,
            "high": high,
        }
        for n, (low, high) in zip(seen, bounds, strict=True)
    ]


def _side(cases: Sequence[Row], running: Sequence[Three], claim: Claim) -> Row:
    wealth = [plain.log_wealth(*one, claim.margin, claim.side) for one in running[1:]]
    best, needed = max([0.0, *wealth]), -math.log(claim.alpha)
    first = next((at for at, one in enumerate(wealth, 1) if one >= needed), None)
    return {
        "claim": "gap_above" if claim.side == "better" else "gap_below",
        "bound": -claim.margin if claim.margin else 0.0,
        "log_wealth": wealth[-1] if wealth else 0.0,
        "log_highest": best,
        "log_needed": needed,
        "p_value": math.exp(-best),
        "proven": first is not None,
        "proven_at": None if first is None else cases[first - 1]["decided"],
        "proven_after": first,
    }


def _mcnemar(cases: Sequence[Row], horizon: int) -> Row:
    reached = len(cases) >= horizon
    _, wins, losses, _ = four(cases[:horizon])
    p = min(1.0, 2 * plain.binomial_below(min(wins, losses), wins + losses))
    return {
        "horizon": horizon,
        "n": len(cases),
        "reached": reached,
        "counts": counted(cases[:horizon]) if reached else None,
        "p_value": p if reached else None,
    }
