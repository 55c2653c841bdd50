"""Two groups of cases come in; whether the one looks like the other goes out, a second time."""

from collections.abc import Callable, Sequence

from tests.benchmarks.recompute import plain
from tests.benchmarks.recompute.compare import OneOf, Ranked
from tests.benchmarks.recompute.counts import differs
from tests.benchmarks.recompute.rows import Row, columns

DELAY = "label delay"


def drop_bias(cases: Sequence[Row]) -> Row:
    """Compared against dropped and failed."""
    lost = [case for case in cases if case["outcome"] != "compared"]
    counts = len(lost) >= 0.01 * len(cases)
    both = [case for case in cases if case["outcome"] == "compared"]
    return check("drop_bias", both, lost, lambda row: counts and row["difference"] >= 0.25)


def feedback_bias(both: Sequence[Row], superior: bool, waits: bool) -> Row:
    """Labelled by agents against the others."""
    left_out = [None] if superior else [None, "review"]
    known = [case for case in both if case["source"] not in (None, "review")]
    unknown = [case for case in both if case["source"] in left_out]
    late, total = slow(known) and not waits, max(1, len(known) + len(unknown))
    share = sum(map(differs, known)) / max(1, len(known))
    rare = share < 0.9 * sum(map(differs, (*known, *unknown))) / total

    def far(row: Row) -> bool:
        if row["dimension"] == "agreement":
            return rare and not superior
        return row["difference"] >= 0.25 and (late or row["dimension"] != DELAY)

    return check("feedback_bias", known, unknown, far)


def check(
    name: str, first: Sequence[Row], second: Sequence[Row], far: Callable[[Row], bool]
) -> Row:
    """far: whether a dimension's difference is large enough to count."""
    n, others = len(first), len(second)
    if others == 0 or min(n, others) < 30:
        state = "passed" if n and not others else "too_few"
        return {"name": name, "state": state, "n": n, "others": others, "rows": []}
    drawn = _drawn(name, first, second)
    adjusted = plain.holm([p for p, _, _ in drawn.values()])
    rows: list[list[Row]] = []
    for (key, (p, v, by_value)), p_adjusted in zip(drawn.items(), adjusted, strict=True):
        base = {"dimension": key, "cramers_v": v, "p_value": p, "p_adjusted": p_adjusted}
        rows.append(_choices(base, by_value))
        for row in rows[-1]:
            row["strong"] = far(row) and p_adjusted < 0.01
    weak = any(row[0]["p_adjusted"] < 0.05 for row in rows)
    strong = any(row[0]["strong"] for row in rows)
    return {
        "name": name,
        "state": "strong" if strong else "weak" if weak else "passed",
        "n": n,
        "others": others,
        "rows": Ranked(
            [OneOf(row) for row in rows],
            key=lambda row: row["dimension"],
            rank=lambda row: (row["p_value"], -row["cramers_v"]),
        ),
    }


def strong_dimensions(found: Row) -> list[str]:
    """Those that hold a promotion back."""
    rows = found["rows"].rows if isinstance(found["rows"], Ranked) else []
    return [one.choices[0]["dimension"] for one in rows if one.choices[0]["strong"]]


def _drawn(name: str, first: Sequence[Row], second: Sequence[Row]) -> dict[str, plain.Shift]:
    n, found = len(first), columns([*first, *second], final=False)
    if name == "feedback_bias":
        found["agreement"] = [
            "different" if differs(case) else "same" for case in (*first, *second)
        ]
    drawn = {key: plain.shift(column[:n], column[n:]) for key, column in found.items()}
    if name == "feedback_bias":
        drawn[DELAY] = plain.shift(*by_delay(first))
    return drawn


def _choices(base: Row, by_value: dict[str, tuple[float, float, float]]) -> list[Row]:
    """The value whose shares differ most, or each of those that tie."""
    if not by_value:
        nothing = {"value": None, "difference": 0.0, "share": 0.0, "others_share": 0.0}
        return [{**base, **nothing}]
    most = max(difference for difference, _, _ in by_value.values())
    return [
        {**base, "value": value, "difference": one[0], "share": one[1], "others_share": one[2]}
        for value, one in by_value.items()
        if one[0] >= most - 1e-12
    ]


def slow(known: Sequence[Row]) -> bool:
    """Whether a decisive label in ten takes long beside the time of the test."""
    times = [case["decided"] for case in known]
    delays = [_late(case)[0] for case, _ in _decisive(known)]
    if not delays:
        return False
    return bool(delays[len(delays) * 9 // 10] > 0.1 * (max(times) - min(times)))


def by_delay(known: Sequence[Row]) -> tuple[list[str | None], list[str | None]]:
    """Who alone was right on the sooner half of the labels, and on the later one."""
    who: list[str | None] = ["challenger" if own else "incumbent" for _, own in _decisive(known)]
    return who[: len(who) // 2], who[len(who) // 2 :]


def _decisive(known: Sequence[Row]) -> list[tuple[Row, bool]]:
    """Those that one side alone had right, soonest first, and whether it was the challenger."""
    found = []
    for case in sorted(known, key=_late):
        right = [case[side][0] == case["final"] for side in "ci"]
        if sum(right) == 1:
            found.append((case, right[0]))
    return found


def _late(case: Row) -> tuple[float, str]:
    return case["arrived"] - case["decided"], case["decision_id"]
