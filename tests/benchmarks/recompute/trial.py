"""Labelled cases come in; tests, guards and checks go out, computed a second time."""

import math
from collections.abc import Sequence

from tests.benchmarks.recompute import plain
from tests.benchmarks.recompute.counts import counted, differs, four
from tests.benchmarks.recompute.rows import Row, columns, value_of


def claims(
    criterion: str, margin: float, alpha: float, tasks: int
) -> list[tuple[str, float, float]]:
    found = [("better", margin, alpha), ("worse", margin, alpha / tasks)]
    return [*found, ("worse", -margin, alpha)] if criterion == "equivalence" else found


def test(cases: Sequence[Row], plan: Row, alpha: float, tasks: int) -> Row:
    margin = 0.0 if plan["criterion"] == "superiority" else plan["margin"]
    _, wins, losses, _ = four(cases)
    running, path = [(0, 0, 0)], []
    for case in cases:
        gain = (case["c"][0] == case["final"]) - (case["i"][0] == case["final"])
        before = running[-1]
        running.append((before[0] + (gain > 0), before[1] + (gain < 0), before[2] + (gain == 0)))
    stated = claims(plan["criterion"], margin, alpha, tasks)
    seen = plain.looks(len(cases))
    bounds = plain.sequence([running[n] for n in seen], alpha)
    for n, (low, high) in zip(seen, bounds, strict=True):
        wealth = [plain.log_wealth(*running[n], claim[1], claim[0]) for claim in stated]
        gap = (running[n][0] - running[n][1]) / n
        path.append(
            {
                "n": n,
                "at": cases[n - 1]["arrived"],
                "log_wealth": wealth,
                "gap": gap,
                "low": low,
                "high": high,
            }
        )
    sides = []
    for side, bound, level in stated:
        wealth = [plain.log_wealth(*one, bound, side) for one in running[1:]]
        best, needed = max([0.0, *wealth]), -math.log(level)
        first = next((at for at, one in enumerate(wealth, 1) if one >= needed), None)
        sides.append(
            {
                "claim": "gap_above" if side == "better" else "gap_below",
                "bound": -bound if bound else 0.0,
                "log_wealth": wealth[-1] if wealth else 0.0,
                "log_highest": best,
                "log_needed": needed,
                "p_value": math.exp(-best),
                "proven": first is not None,
                "proven_at": None if first is None else cases[first - 1]["arrived"],
                "proven_after": first,
            }
        )
    return {
        "criterion": plan["criterion"],
        "margin": margin,
        "alpha": alpha,
        "labels": len(cases),
        "counts": counted(cases),
        "gap": (wins - losses) / len(cases) if cases else None,
        "low": bounds[-1][0] if bounds else -1.0,
        "high": bounds[-1][1] if bounds else 1.0,
        "sides": sides,
        "path": path,
        "mcnemar": None if plan["horizon"] is None else mcnemar(cases, plan["horizon"]),
    }


def mcnemar(cases: Sequence[Row], horizon: int) -> Row:
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


def check(name: str, first: Sequence[Row], second: Sequence[Row], blind: str | None) -> Row:
    n, others = len(first), len(second)
    if others == 0 or min(n, others) < 30:
        state = "passed" if n and not others else "too_few"
        return {"name": name, "state": state, "n": n, "others": others, "rows": []}
    found = columns([*first, *second], final=False)
    if name == "feedback_bias":
        found["agreement"] = [
            "different" if differs(case) else "same" for case in (*first, *second)
        ]
    drawn = {key: plain.shift(column[:n], column[n:]) for key, column in found.items()}
    if name == "feedback_bias":
        drawn["label delay"] = plain.shift(*by_delay(first))
    adjusted = plain.holm([p for p, _, _ in drawn.values()])
    rows = []
    for (key, (p, v, by_value)), p_adjusted in zip(drawn.items(), adjusted, strict=True):
        most = max((one[0] for one in by_value.values()), default=0.0)
        far = most >= 0.25
        if key == "agreement":
            known = sum(map(differs, first)) / n
            far = known < 0.9 * sum(map(differs, (*first, *second))) / (n + others)
        far = far and (key != "label delay" or slow(first))
        strong = blind not in ("", key) and far and p_adjusted < 0.01
        rows.append(
            {
                "dimension": key,
                "by_value": by_value,
                "difference": most,
                "cramers_v": v,
                "p_value": p,
                "p_adjusted": p_adjusted,
                "strong": strong,
            }
        )
    weak = any(row["p_adjusted"] < 0.05 for row in rows)
    state = "strong" if any(row["strong"] for row in rows) else "weak" if weak else "passed"
    return {"name": name, "state": state, "n": n, "others": others, "rows": rows}


def late(case: Row) -> tuple[float, str]:
    return case["arrived"] - case["decided"], case["decision_id"]


def slow(cases: Sequence[Row]) -> bool:
    times = [case["decided"] for case in cases]
    delays = [late(case)[0] for case, _ in decisive(cases)]
    return bool(delays) and delays[len(delays) * 9 // 10] > 0.1 * (max(times) - min(times))


def decisive(cases: Sequence[Row]) -> list[tuple[Row, bool]]:
    """Those that one side alone had right, soonest first, and whether it was the challenger."""
    found = []
    for case in sorted(cases, key=late):
        right = [case[side][0] == case["final"] for side in "ci"]
        if sum(right) == 1:
            found.append((case, right[0]))
    return found


def by_delay(cases: Sequence[Row]) -> tuple[list[str | None], list[str | None]]:
    """Who alone was right on the sooner half of the labels, and on the later one."""
    who: list[str | None] = ["challenger" if own else "incumbent" for _, own in decisive(cases)]
    return who[: len(who) // 2], who[len(who) // 2 :]


def guard(one: Row, cases: Sequence[Row]) -> Row:
    inside = [
        case for case in cases if value_of(case, one["dimension"], final=True) == one["value"]
    ]
    _, wins, losses, _ = four(inside)
    gap = (wins - losses) / len(inside) if inside else None
    few = gap is None or len(inside) < one["min_labels"]
    state = "too_few_labels" if few else "violated" if gap < -one["margin"] else "holds"
    return {"guard": one, "n": len(inside), "gap": gap, "state": state}
