"""Cases come in; how many of them are what goes out."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from tests.benchmarks.recompute import plain
from tests.benchmarks.recompute.plain import Four
from tests.benchmarks.recompute.rows import Row, columns


def four(cases: Sequence[Row]) -> Four:
    seen = Counter((case["c"][0] == case["final"], case["i"][0] == case["final"]) for case in cases)
    return seen[True, True], seen[True, False], seen[False, True], seen[False, False]


def counted(cases: Sequence[Row]) -> Row:
    both, challenger, incumbent, neither = four(cases)
    return {
        "both": both,
        "challenger": challenger,
        "incumbent": incumbent,
        "neither": neither,
        "n": len(cases),
    }


def rate(count: int, n: int) -> Row:
    low, high = plain.wilson(count, n)
    return {"count": count, "n": n, "rate": count / n if n else None, "low": low, "high": high}


def differs(case: Row) -> bool:
    return bool(case["c"][0] != case["i"][0])


def segments(cases: Sequence[Row], final: bool) -> Iterator[tuple[str, str, list[Row]]]:
    for dimension, column in columns(cases, final).items():
        named = ["(unknown)" if one is None else one for one in column]
        counts = Counter(named)
        ranked = sorted(counts, key=lambda value: (-counts[value], value))[:30]
        kept = {value for value in ranked if counts[value] >= 30}
        inside: dict[str, list[Row]] = defaultdict(list)
        for case, value in zip(cases, named, strict=True):
            inside[value if value in kept else "(rest)"].append(case)
        if len(inside) > 1:
            yield from ((dimension, value, group) for value, group in inside.items())
