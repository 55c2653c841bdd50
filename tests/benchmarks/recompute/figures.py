"""Cases come in; the figures of a report's chapter go out, computed a second time."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from tests.benchmarks.recompute import plain
from tests.benchmarks.recompute.counts import counted, differs, four, rate, segments
from tests.benchmarks.recompute.rows import Row
from tests.benchmarks.recompute.trial import check, guard, test


def apart(cases: Sequence[Row]) -> list[Row]:
    total, found = sum(map(differs, cases)), []
    for dimension, value, group in segments(cases, final=False):
        count = sum(map(differs, group))
        p = plain.fisher(count, len(group), total, len(cases))
        found.append(
            {**rate(count, len(group)), "dimension": dimension, "value": value, "p_value": p}
        )
    adjusted = plain.holm([one["p_value"] for one in found])
    return [{**one, "p_adjusted": p} for one, p in zip(found, adjusted, strict=True)]


def worse(cases: Sequence[Row]) -> list[Row]:
    found = []
    for dimension, value, group in segments(cases, final=True):
        _, wins, losses, _ = four(group)
        low, high = plain.tango(wins, losses, len(group))
        found.append(
            {
                "dimension": dimension,
                "value": value,
                "counts": counted(group),
                "gap": (wins - losses) / len(group),
                "low": low,
                "high": high,
                "p_value": plain.binomial_below(wins, wins + losses),
            }
        )
    adjusted = plain.holm([one["p_value"] for one in found])
    return [{**one, "p_adjusted": p} for one, p in zip(found, adjusted, strict=True)]


def days(cases: Sequence[Row]) -> list[Row]:
    numbers = [math.floor(case["decided"] / 86_400) for case in cases]
    width = math.ceil((max(numbers) - min(numbers) + 1) / 60) if cases else 1
    groups: dict[int, list[Row]] = defaultdict(list)
    for number, case in zip(numbers, cases, strict=True):
        groups[min(numbers) + (number - min(numbers)) // width * width].append(case)
    return [
        {**rate(sum(map(differs, group)), len(group)), "start": start * 86_400.0, "days": width}
        for start, group in sorted(groups.items())
    ]


def agreement(cases: Sequence[Row]) -> Row:
    pairs = Counter((case["i"][0], case["c"][0]) for case in cases)
    labels = sorted({label for pair in pairs for label in pair})
    apart = sorted((-count, pair) for pair, count in pairs.items() if pair[0] != pair[1])
    total = -sum(count for count, _ in apart)
    return {
        "kappa": plain.kappa(pairs),
        "matrix": {"labels": labels, "counts": [[pairs[i, c] for c in labels] for i in labels]},
        "pairs": [
            {"incumbent": i, "challenger": c, "count": -count, "share": -count / total}
            for count, (i, c) in apart[:20]
        ],
    }


def top(cases: Sequence[Row]) -> list[str]:
    def sure(case: Row) -> float:
        return min(case[side][1] for side in "ic" if case[side][1] is not None)

    ranked = sorted(filter(differs, cases), key=lambda case: (-sure(case), case["decision_id"]))
    return [case["decision_id"] for case in ranked[:20]]


def chapter(cases: Sequence[Row], outcomes: Counter[Any], plan: Row, frame: Row) -> Row:
    """frame: alpha, tasks, counted_since."""
    both = [case for case in cases if case["outcome"] == "compared"]
    known = sorted(
        (case for case in both if case["final"] is not None),
        key=lambda case: (case["arrived"], case["decision_id"]),
    )
    agents = [case for case in known if case["source"] != "review"]
    late = [case for case in known if case["arrived"] >= frame["counted_since"]]
    superior = plan["criterion"] == "superiority"
    chosen = [case for case in late if case["source"] != "review"]
    lost = [case for case in cases if case["outcome"] != "compared"]
    left_out = [None] if superior else [None, "review"]
    unknown = [case for case in both if case["source"] in left_out]
    _, wins, losses, _ = four(agents)
    low, high = plain.tango(wins, losses, len(agents))
    return {
        "cases": len(cases),
        "recorded": outcomes.total(),
        "outcomes": outcomes,
        "disagreement": rate(sum(map(differs, both)), len(both)),
        **agreement(both),
        "days": days(both),
        "segments": apart(both),
        "labels": len(known),
        "labels_from_review": len(known) - len(agents),
        "accuracy": {
            "counts": counted(agents),
            "challenger": rate(sum(one["c"][0] == one["final"] for one in agents), len(agents)),
            "incumbent": rate(sum(one["i"][0] == one["final"] for one in agents), len(agents)),
            "gap": (wins - losses) / len(agents) if agents else None,
            "low": low,
            "high": high,
        },
        "worse": worse(agents),
        "test": {
            **test(chosen, plan, frame["alpha"], frame["tasks"]),
            "left_out_review": len(late) - len(chosen),
            "left_out_early": len(known) - len(late),
        },
        "guards": [guard(one, chosen) for one in plan["guards"]],
        "checks": [
            check("drop_bias", both, lost, None if len(lost) >= 0.01 * len(cases) else ""),
            check("feedback_bias", agents, unknown, "agreement" if superior else None),
        ],
        "top": top(both),
    }
