"""What one thread counts comes in; Prometheus's families of counters and histograms go out.

A tally takes no lock and one call, a small part of the time of prometheus_client's own counters and
histograms: only the event loop's thread may count and read it. What is exposed is the same.
"""

import math
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Generic, TypeVar

from prometheus_client import Counter
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from service.metrics.entry import Entry


@dataclass(slots=True)
class Total:
    """One series of a counter."""

    value: float = 0.0
    created: float = field(default_factory=time.time)

    def inc(self, amount: float = 1.0) -> None:
        """amount: 0 or more."""
        self.value += amount


@dataclass(slots=True)
class Spread:
    """One series of a histogram.

    bounds: the buckets' upper ones, rising, without infinity. counts: of each bucket alone, and of
    what exceeds them all.
    """

    bounds: Sequence[float]
    counts: list[int]
    sum: float = 0.0
    created: float = field(default_factory=time.time)

    def observe(self, value: float) -> None:
        """value: any number but NaN, which belongs to no bucket."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


def counted(total: Total, spread: Spread) -> Callable[[float], None]:
    """What adds one to `total` and a value to `spread`, at the price of one call."""
    bounds, counts = spread.bounds, spread.counts

    def observe(value: float) -> None:
        total.value += 1.0
        counts[bisect_left(bounds, value)] += 1
        spread.sum += value

    return observe


_Series = TypeVar("_Series", Total, Spread)


class _Family(Generic[_Series]):
    """The series of one entry of the catalogue, by their labels' values."""

    def __init__(self, entry: Entry, begin: Callable[[], _Series]) -> None:
        self._entry = entry
        self._begin: Callable[[], _Series] = begin
        self._series: dict[tuple[str, ...], _Series] = {}
        self._tells_created = _tells_created()
        if not entry.labels:
            self.labels()

    def labels(self, *values: str) -> _Series:
        """The series of these values of the entry's labels; it begins when first asked for."""
        found = self._series.get(values)
        if found is None:
            if len(values) != len(self._entry.labels):
                raise ValueError(f"labels must be {self._entry.labels}, found {len(values)} values")
            found = self._series[values] = self._begin()
        return found

    def remove(self, *values: str) -> None:
        """Forgets a series: what it goes on to count is lost."""
        self._series.pop(values, None)


class Totals(_Family[Total]):
    """A counter, as a registry collects it."""

    def __init__(self, entry: Entry) -> None:
        super().__init__(entry, Total)

    def describe(self) -> list[Metric]:
        """The family without series, for the names that it takes."""
        return [self._family()]

    def collect(self) -> list[Metric]:
        """The family as it stands."""
        family = self._family()
        for values, series in self._series.items():
            created = series.created if self._tells_created else None
            family.add_metric(values, series.value, created)
        return [family]

    def _family(self) -> CounterMetricFamily:
        return CounterMetricFamily(self._entry.name, self._entry.help, labels=self._entry.labels)


class Spreads(_Family[Spread]):
    """A histogram, as a registry collects it."""

    def __init__(self, entry: Entry, bounds: Iterable[float]) -> None:
        """bounds: the buckets' upper ones, rising, the first not below 0, without infinity."""
        self._bounds = [float(bound) for bound in bounds]
        self._names: list[str] = [
            floatToGoString(bound)  # type: ignore[no-untyped-call]
            for bound in (*self._bounds, math.inf)
        ]
        super().__init__(entry, lambda: Spread(self._bounds, [0] * len(self._names)))

    def describe(self) -> list[Metric]:
        """The family without series, for the names that it takes."""
        return [self._family()]

    def collect(self) -> list[Metric]:
        """The family as it stands."""
        family = self._family()
        for values, series in self._series.items():
            reached = map(float, accumulate(series.counts))
            family.add_metric(values, list(zip(self._names, reached, strict=True)), series.sum)
            if self._tells_created:
                labels = dict(zip(self._entry.labels, values, strict=True))
                family.samples.append(Sample(f"{family.name}_created", labels, series.created))
        return [family]

    def _family(self) -> HistogramMetricFamily:
        return HistogramMetricFamily(self._entry.name, self._entry.help, labels=self._entry.labels)


def _tells_created() -> bool:
    """Whether series say when they began; PROMETHEUS_DISABLE_CREATED_SERIES forbids it."""
    (family,) = Counter("probe", "", registry=None).collect()
    return any(sample.name == "probe_created" for sample in family.samples)
