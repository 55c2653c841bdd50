"""Cases come in; where and how often the two models differ goes out, computed a second time."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

from tests.benchmarks.recompute import plain
from tests.benchmarks.recompute.compare import Ranked
from tests.benchmarks.recompute.counts import counted, differs, four, rate, segments
from tests.benchmarks.recompute.rows import Row

LISTED = 60


def apart(cases: Sequence[Row]) -> Ranked:
    """Segments by how unusual their disagreement is."""
    total, found = sum(map(differs, cases)), []
    for dimension, value, group in segments(cases, final=False):
        count = sum(map(differs, group))
        p = plain.fisher(count, len(group), total, len(cases))
        found.append(
            {**rate(count, len(group)), "dimension": dimension, "value": value, "p_value": p}
        )
    return Ranked(
        _adjusted(found), _segment, lambda row: (row["p_value"], -row["rate"]), most=LISTED
    )


def worse(cases: Sequence[Row]) -> Ranked:
    """Segments in which the challenger is worse first, by how many more it loses than is due."""
    groups: dict[str, dict[str, list[Row]]] = defaultdict(dict)
    for dimension, value, group in segments(cases, final=True):
        groups[dimension][value] = group
    found = []
    for dimension, by_value in groups.items():
        tables = [four(group) for group in by_value.values()]
        for (value, group), excess in zip(by_value.items(), plain.excess(tables), strict=True):
            found.append({**_gap(group), "dimension": dimension, "value": value, "excess": excess})
    return Ranked(
        _adjusted(found),
        _segment,
        lambda row: (float(row["gap"] >= 0), -row["excess"], row["p_value"]),
        most=LISTED,
    )


def days(cases: Sequence[Row]) -> list[Row]:
    """The disagreement day by day, or by as many days as make 60 points."""
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
    """Who said what against whom."""
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


def accuracy(cases: Sequence[Row]) -> Row:
    """Both models against the labels of the desk itself."""
    found, n = _gap(cases), len(cases)
    both, challenger, incumbent, _ = four(cases)
    return {
        "counts": found["counts"],
        "challenger": rate(both + challenger, n),
        "incumbent": rate(both + incumbent, n),
        **{name: found[name] for name in ("gap", "low", "high")},
    }


def outcomes(totals: Counter[tuple[str, str | None]]) -> list[Row]:
    """Compared, then dropped, then failed; of each the most frequent reason first."""
    ranked = sorted(totals, key=lambda key: (key[0], -totals[key], key[1] or ""))
    return [
        {"outcome": outcome, "reason": reason, "count": totals[outcome, reason]}
        for outcome, reason in ranked
    ]


def _gap(cases: Sequence[Row]) -> Row:
    _, wins, losses, _ = four(cases)
    low, high = plain.tango(wins, losses, len(cases))
    return {
        "counts": counted(cases),
        "gap": (wins - losses) / len(cases) if cases else None,
        "low": low,
        "high": high,
        "p_value": plain.binomial_below(wins, wins + losses),
    }


def _adjusted(rows: Sequence[Row]) -> list[Row]:
    adjusted = plain.holm([one["p_value"] for one in rows])
    return [{**one, "p_adjusted": p} for one, p in zip(rows, adjusted, strict=True)]


def _segment(row: Row) -> tuple[str, str]:
    return row["dimension"], row["value"]
