"""Figures of a report come in; the geometry of its charts goes out, in a frame of 440 by 230.

Nothing here knows colours or HTML: the template draws what it is given, style sheets colour it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from service.shadow.findings.proofs import SegmentGap, Test
from service.shadow.findings.shares import Day, SegmentRate

WIDTH, HEIGHT = 440.0, 230.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 12.0, 12.0, 28.0
SPAN = 140.0
"""Width of a whisker within a table's row."""


@dataclass(frozen=True)
class Axis:
    """Where a figure lies: low maps to start, high to end; what lies outside is cut."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(self.start + min(1.0, max(0.0, share)) * (self.end - self.start), 1)


@dataclass(frozen=True)
class Tick:
    """A mark on an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """kind: names the style. path: of SVG. text: for the legend, or for a rule at its end."""

    kind: str
    path: str
    text: str = ""


@dataclass(frozen=True)
class Rule:
    """A horizontal line across the frame."""

    kind: str
    at: float
    text: str


@dataclass(frozen=True)
class Whisker:
    """An interval with its point; all along one axis, `across` along the other."""

    low: float
    at: float
    high: float
    across: float = 0.0
    title: str = ""


@dataclass(frozen=True)
class Chart:
    """One chart. xs, ys: ticks. bands, lines: paths. summary: the same in words."""

    xs: tuple[Tick, ...]
    ys: tuple[Tick, ...]
    bands: tuple[Line, ...] = ()
    lines: tuple[Line, ...] = ()
    rules: tuple[Rule, ...] = ()
    whiskers: tuple[Whisker, ...] = ()
    summary: str = ""


def horizontal(low: float, high: float) -> Axis:
    """From the left of the frame to its right."""
    return Axis(low, high, LEFT, WIDTH - RIGHT)


def vertical(low: float, high: float) -> Axis:
    """From the bottom of the frame to its top."""
    return Axis(low, high, HEIGHT - BOTTOM, TOP)


def nice(low: float, high: float, count: int = 5) -> list[float]:
    """Round figures within [low, high], about `count` of them."""
    if not high > low:
        return [low]
    raw = (high - low) / count
    size = 10.0 ** math.floor(math.log10(raw))
    step = size * next(factor for factor in (1.0, 2.0, 5.0, 10.0) if factor * size >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def evidence(test: Test) -> Chart:
    """The wealth of each side after so many labels, on a logarithmic scale."""
    names = ("promote", "roll back", "not better")
    kinds = ("good", "bad", "third")
    tens = [[one / math.log(10.0) for one in look.log_wealth] for look in test.path]
    needed = [side.log_needed / math.log(10.0) for side in test.sides]
    x = horizontal(0.0, float(test.path[-1].n))
    y = vertical(-2.0, max(1.25 * max(needed), *(1.08 * max(row) for row in tens)))
    points = [
        (0, [0.0] * len(names)),
        *((look.n, row) for look, row in zip(test.path, tens, strict=True)),
    ]
    return Chart(
        xs=_counts(x),
        ys=tuple(Tick(y(ten), _odds(ten)) for ten in nice(y.low, y.high) if ten == round(ten)),
        lines=tuple(
            Line(kinds[side], _path([(x(n), y(row[side])) for n, row in points]), names[side])
            for side in range(len(test.sides))
        ),
        rules=tuple(
            Rule(kinds[side], y(needed[side]), f"enough to {names[side]}") for side in (0, 1)
        ),
        summary=f"Evidence after {test.path[-1].n:,} labels against what a verdict needs",
    )


def gap(test: Test) -> Chart:
    """The gap and its confidence sequence after so many labels."""
    settled = test.path[len(test.path) // 4 :]
    most = max(max(abs(look.low), abs(look.high), abs(look.gap)) for look in settled)
    x, y = horizontal(0.0, float(test.path[-1].n)), vertical(-most, most)
    high = [(x(look.n), y(look.high)) for look in test.path]
    low = [(x(look.n), y(look.low)) for look in reversed(test.path)]
    rules = [Rule("zero", y(0.0), "")]
    if test.margin:
        rules.append(Rule("margin", y(-test.margin), "margin"))
    return Chart(
        xs=_counts(x),
        ys=tuple(
            Tick(y(one), f"{one * 100:+g}" if one else "0") for one in _rounded(nice(-most, most))
        ),
        bands=(Line("band", _path([*high, *low]) + "Z"),),
        lines=(Line("good", _path([(x(look.n), y(look.gap)) for look in test.path]), "gap"),),
        rules=tuple(rules),
        summary="Gap in points with bounds that hold at every look",
    )


def by_day(days: Sequence[Day]) -> Chart:
    """The disagreement of each day with its interval."""
    first, last = days[0].start, days[-1].start
    pad = max(days[0].days * 43_200.0, (last - first) * 0.03)
    x, y = horizontal(first - pad, last + pad), vertical(0.0, _ceiling(days))
    return Chart(
        xs=tuple(Tick(x(day.start), _date(day.start)) for day in _spread(days, 5)),
        ys=tuple(Tick(y(one), f"{one * 100:g} %") for one in _rounded(nice(0.0, y.high))),
        whiskers=tuple(
            Whisker(y(day.low), y(day.rate or 0.0), y(day.high), x(day.start), _told(day))
            for day in days
        ),
        summary="Disagreement by day with 95 % intervals",
    )


def gap_whiskers(rows: Sequence[SegmentGap]) -> tuple[float, list[Whisker]]:
    """Where a gap of 0 lies, and each row's interval, from 0 to SPAN along one scale."""
    # A segment of thirty tickets would leave no room for the others.
    reach = sorted(max(abs(row.low), abs(row.high)) for row in rows)
    most = min(reach[-1], 3.0 * reach[len(reach) // 2]) if reach else 1.0
    axis = Axis(-most, most, 0.0, SPAN)
    return axis(0.0), [Whisker(axis(row.low), axis(row.gap), axis(row.high)) for row in rows]


def rate_whiskers(rows: Sequence[SegmentRate]) -> list[Whisker]:
    """Each row's interval, from 0 to SPAN along one scale that begins at 0."""
    axis = Axis(0.0, max((row.high for row in rows), default=1.0), 0.0, SPAN)
    return [Whisker(axis(row.low), axis(row.rate or 0.0), axis(row.high)) for row in rows]


def _counts(x: Axis) -> tuple[Tick, ...]:
    return tuple(Tick(x(one), f"{one:,.0f}") for one in nice(0.0, x.high) if one == round(one))


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g},{y:g}" for x, y in points)


def _odds(ten: float) -> str:
    if ten < 0:
        return f"1/{10 ** round(-ten)}"
    return f"{10 ** round(ten):,}" if ten <= 4 else f"1e{round(ten)}"


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 6) for value in values]


def _ceiling(days: Sequence[Day]) -> float:
    """High enough for every rate and for most intervals: a day with two tickets spans them all."""
    ranked = sorted(day.high for day in days)
    usual = ranked[(len(ranked) * 9) // 10 - (len(ranked) > 1)]
    return min(1.0, 1.1 * max(usual, *(day.rate or 0.0 for day in days), 0.01))


def _spread(days: Sequence[Day], count: int) -> list[Day]:
    step = max(1, math.ceil(len(days) / count))
    return list(days[::step])


def _date(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%-d %b")


def _told(day: Day) -> str:
    return f"{_date(day.start)}: {day.count:,} of {day.n:,} differ"
