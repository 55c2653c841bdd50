"""Tallies against prometheus_client's own counters and histograms."""

import prometheus_client
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import Metric

from service.metrics import Entry
from service.metrics.fronts import counts_of
from service.metrics.tallies import Spreads, Totals, counted

BOUNDS = (0, 0.25, 1, 2.5, 1_000_000, 2e7)
VALUES = st.one_of(st.sampled_from(BOUNDS), st.floats(-1, 3e7))
LABELS = st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["", 'c"\n']))
PLAIN = (
    Entry("plain_total", "counter", (), "Of one series"),
    Entry("plain_seconds", "histogram", (), "Of one series, too"),
)
LABELLED = (
    Entry("made_total", "counter", ("task", "label"), "Of many series"),
    Entry("made_seconds", "histogram", ("task", "label"), "Of many series, too"),
)


class Pair:
    """The same two metrics, once as tallies and once as prometheus_client's, in two registries."""

    def __init__(self, counter: Entry, histogram: Entry) -> None:
        self.ours, self.theirs = CollectorRegistry(), CollectorRegistry()
        self.totals, self.spreads = Totals(counter), Spreads(histogram, BOUNDS)
        self.ours.register(self.totals)
        self.ours.register(self.spreads)
        name, _, labels, text = counter
        self.counter = Counter(name, text, labels, registry=self.theirs)
        name, _, labels, text = histogram
        self.histogram = Histogram(name, text, labels, registry=self.theirs, buckets=BOUNDS)

    def agree(self) -> None:
        """Families, samples and values are equal, the times at which series began apart."""
        assert _timeless(self.ours) == _timeless(self.theirs)
        assert _counted(self.ours) == _counted(self.theirs)
        assert counts_of(self.ours) == counts_of(self.theirs)


def _timeless(registry: CollectorRegistry) -> list[Metric]:
    families = list(registry.collect())
    for family in families:
        family.samples = [
            sample._replace(value=0.0) if sample.name.endswith("_created") else sample
            for sample in family.samples
        ]
    return families


def _counted(registry: CollectorRegistry) -> list[str]:
    """The text format; without the value of `_created`."""
    lines = generate_latest(registry).decode().splitlines()
    return [line.rsplit(" ", 1)[0] if "_created" in line else line for line in lines]


@given(st.lists(st.tuples(LABELS, st.floats(0, 1e9), VALUES, st.booleans())))
def test_labelled_tallies_are_what_prometheus_would_have_counted(
    events: list[tuple[tuple[str, str], float, float, bool]],
) -> None:
    pair = Pair(*LABELLED)
    for labels, amount, value, forgotten in events:
        pair.totals.labels(*labels).inc(amount)
        pair.spreads.labels(*labels).observe(value)
        pair.counter.labels(*labels).inc(amount)
        pair.histogram.labels(*labels).observe(value)
        if forgotten:
            pair.totals.remove(*labels)
            pair.spreads.remove(*labels)
            pair.counter.remove(*labels)
            pair.histogram.remove(*labels)
        pair.agree()


@given(st.lists(VALUES))
def test_a_tally_without_labels_is_there_before_it_counts(values: list[float]) -> None:
    pair = Pair(*PLAIN)
    pair.agree()
    both = counted(pair.totals.labels(), pair.spreads.labels())
    for value in values:
        both(value)
        pair.counter.inc()
        pair.histogram.observe(value)
    pair.agree()


def test_series_do_not_say_when_they_began_where_that_is_switched_off() -> None:
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
    try:
        pair = Pair(*PLAIN)
        pair.agree()
        assert "_created" not in generate_latest(pair.ours).decode()
    finally:
        prometheus_client.enable_created_metrics()  # type: ignore[no-untyped-call]


def test_a_tally_takes_its_names_in_a_registry() -> None:
    pair = Pair(*PLAIN)
    for entry in PLAIN:
        with pytest.raises(ValueError, match="Duplicated"):
            Counter(entry.name, entry.help, registry=pair.ours)


def test_a_series_has_a_value_for_each_label() -> None:
    with pytest.raises(ValueError, match="found 1 values"):
        Totals(LABELLED[0]).labels("a")
