"""A task's figures come in; the verdict, what its reasons must hold, and the labels still needed go
out.
"""

from collections.abc import Mapping, Sequence

from tests.benchmarks.recompute import plain
from tests.benchmarks.recompute.checks import strong_dimensions
from tests.benchmarks.recompute.compare import Sentence
from tests.benchmarks.recompute.rows import Row
from tests.benchmarks.recompute.trial import Claim


def judge(found: Row, stated: Sequence[Claim], beheaded: bool) -> Row:
    """found: the task's test, guards and checks. beheaded: its first tickets may be gone."""
    if beheaded:
        return {"verdict": "keep", "reasons": [Sentence()], "labels_needed": None}
    test, (good, bad, *third) = found["test"], found["test"]["sides"]
    if bad["proven"] and (not good["proven"] or bad["log_wealth"] >= good["log_wealth"]):
        reasons = [_shown(bad), *([Sentence()] if good["proven"] else []), *_horizon(test)]
        return {"verdict": "roll_back", "reasons": reasons, "labels_needed": None}
    ahead, back = needed(test, stated)
    blocks = [*_guards(found["guards"]), *_checks(found["checks"]), *_turned(test)]
    if not all(one["proven"] for one in (good, *third)):
        reasons = [*_open(test, ahead, back), *blocks]
        wanted = back if ahead is None else max(ahead, _short(found["guards"]))
        return _keep(reasons, None if _held(found) else wanted)
    reasons = [*map(_shown, (good, *third)), *_horizon(test)]
    if blocks:
        return _keep([*reasons, *blocks], None if _held(found) else _short(found["guards"]) or None)
    kept = [Sentence((str(len(found["guards"])),))] if found["guards"] else []
    return {"verdict": "promote", "reasons": [*reasons, *kept], "labels_needed": 0}


def overall(tasks: Mapping[str, Row]) -> Row:
    """The verdict on the pair: every task promotes, one alone rolls back."""
    worse = [name for name, one in tasks.items() if one["verdict"] == "roll_back"]
    if worse:
        reasons = [Sentence(words=tuple(worse))]
        return {"verdict": "roll_back", "reasons": reasons, "labels_needed": None}
    waiting = [name for name, one in tasks.items() if one["verdict"] == "keep"]
    if tasks and not waiting:
        reasons = [Sentence(words=tuple(tasks))]
        return {"verdict": "promote", "reasons": reasons, "labels_needed": 0}
    wants = [tasks[name]["labels_needed"] for name in waiting]
    most = None if None in wants else max(wants, default=None)
    return _keep([Sentence(words=tuple(waiting))], most)


def needed(test: Row, stated: Sequence[Claim]) -> tuple[int | None, int | None]:
    """Labels still missing to promote, and to roll back."""
    counts = test["counts"]
    four = (counts["both"], counts["challenger"], counts["incumbent"], counts["neither"])
    wants = [plain.labels_needed(four, one.margin, one.alpha, one.side) for one in stated]
    promoting = [wants[0], *wants[2:]]
    return None if None in promoting else max(one or 0 for one in promoting), wants[1]


def _keep(reasons: Sequence[Sentence], labels: int | None) -> Row:
    return {"verdict": "keep", "reasons": list(reasons), "labels_needed": labels}


def _held(found: Row) -> bool:
    """Whether more labels alone would not do."""
    violated = any(one["state"] == "violated" for one in found["guards"])
    strong = any(one["state"] == "strong" for one in found["checks"])
    return violated or strong or bool(_turned(found["test"]))


def _short(guards: Sequence[Row]) -> int:
    return max((max(0, one["guard"]["min_labels"] - one["n"]) for one in guards), default=0)


def _claim(side: Row) -> tuple[str, ...]:
    return (f"{abs(side['bound']) * 100:g}",) if side["bound"] else ()


def _shown(side: Row) -> Sentence:
    return Sentence((*_claim(side), f"{side['proven_after']:,}", f"{side['p_value']:.2g}"))


def _open(test: Row, ahead: int | None, back: int | None) -> list[Sentence]:
    n = test["labels"]
    if n == 0:
        return [Sentence(), *_age(test)]
    if n >= 30 and test["counts"]["neither"] == n:
        return [Sentence()]
    sides = [side for at, side in enumerate(test["sides"]) if at != 1]
    unproven = next(side for side in sides if not side["proven"])
    hope = back if ahead is None else ahead
    numbers = () if hope is None else (f"{hope:,}",)
    return [Sentence(_claim(unproven)), Sentence(numbers), *_horizon(test), *_age(test)]


def _age(test: Row) -> list[Sentence]:
    """Labels that wait, and what raised the age."""
    if not test["left_out_recent"]:
        return []
    waits = Sentence((f"{test['matured_s'] / 86_400:.1f}", f"{test['left_out_recent']:,}"))
    if test["delay_s"] is None:
        return [waits]
    return [waits, Sentence((f"{test['delay_s'] / 86_400:.1f}", "0"))]


def _horizon(test: Row) -> list[Sentence]:
    mcnemar = test["mcnemar"]
    if mcnemar is None:
        return []
    if not mcnemar["reached"]:
        return [Sentence((f"{mcnemar['n']:,}", f"{mcnemar['horizon']:,}"))]
    return [Sentence((f"{mcnemar['horizon']:,}", f"{mcnemar['p_value']:.2g}"))]


def _guards(guards: Sequence[Row]) -> list[Sentence]:
    found = []
    for one in guards:
        guard = one["guard"]
        words = (f"{guard['dimension']} = {guard['value']}",)
        if one["state"] == "too_few_labels":
            found.append(Sentence((f"{one['n']:,}", f"{guard['min_labels']:,}"), words))
        elif one["state"] == "violated":
            numbers = (f"{one['gap'] * 100:+.1f}", f"{guard['margin'] * 100:g}")
            found.append(Sentence(numbers, words))
    return found


def _checks(checks: Sequence[Row]) -> list[Sentence]:
    return [
        Sentence(words=tuple(strong_dimensions(one))) for one in checks if one["state"] == "strong"
    ]


def _turned(test: Row) -> list[Sentence]:
    """Whether the gap is no longer where it was shown to be."""
    if test["gap"] is None:
        return []
    for at, side in enumerate(test["sides"]):
        above = side["claim"] == "gap_above"
        here = test["gap"] > side["bound"] if above else test["gap"] < side["bound"]
        if at != 1 and side["proven"] and not here:
            return [Sentence()]
    return []
