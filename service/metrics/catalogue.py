"""Every metric is named and described here; registered metrics go out.

Only this package knows a metric's name.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from service.metrics.device_entries import DEVICE
from service.metrics.entry import Entry
from service.metrics.ledger_entries import LEDGER
from service.metrics.shadow_entries import SHADOW
from service.metrics.tallies import Spreads, Totals
from service.metrics.ticket_entries import TICKETS

CATALOGUE = (
    *TICKETS,
    Entry(
        "harbor_reliability_expected",
        "gauge",
        ("task",),
        "Mean confidence of the labelled decisions in the window",
    ),
    Entry(
        "harbor_reliability_observed",
        "gauge",
        ("task",),
        "Share of the labelled decisions in the window whose label was the final one",
    ),
    Entry(
        "harbor_reliability_gap",
        "gauge",
        ("task", "bound"),
        "Expected minus observed accuracy of the labelled decisions in the window, with its 95 % "
        "interval: value, low, high",
    ),
    Entry(
        "harbor_reliability_labelled",
        "gauge",
        ("task",),
        "Decisions in the window whose final label is known",
    ),
    Entry(
        "harbor_promise_observed",
        "gauge",
        ("task", "bound"),
        "Observed precision of `auto` in the window, coverage, or mean cost: value, and low, high, "
        "bounds that allow for looking often",
    ),
    Entry(
        "harbor_promise_target",
        "gauge",
        ("task",),
        "Precision of `auto` or coverage that the bundle promises, or its mean cost's upper end",
    ),
    Entry(
        "harbor_promise_broken",
        "gauge",
        ("task",),
        "1 while the final labels are evidence that the promise is not kept",
    ),
    Entry("harbor_bundle_info", "gauge", ("version", "digest"), "1 for the bundle that serves"),
    *DEVICE,
    Entry("harbor_bundle_swaps_total", "counter", ("result",), "Bundle swaps: `ok` or `refused`"),
    Entry("harbor_fronts", "gauge", (), "HTTP processes that are connected to the core"),
    Entry(
        "harbor_front_restarts_total", "counter", (), "HTTP processes that stand in for a lost one"
    ),
    Entry(
        "harbor_front_cpu_seconds",
        "gauge",
        ("front",),
        "CPU seconds of each HTTP process since its start; `process_cpu_seconds_total` is the "
        "core's",
    ),
    Entry(
        "harbor_front_resident_bytes", "gauge", ("front",), "Resident memory of each HTTP process"
    ),
    *SHADOW,
    *LEDGER,
)

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BUCKETS = {
    "harbor_request_seconds": _SECONDS,
    "harbor_stage_seconds": (0.0001, 0.0005, *_SECONDS),
    "harbor_batch_tickets": (1, 2, 4, 8, 16, 32, 64, 128),
    "harbor_batch_tokens": (32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768),
    "harbor_infer_error_ratio": (0.25, 0.5, 0.67, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 4.0),
    "harbor_confidence": tuple(step / 20 for step in range(1, 21)),
    "harbor_shadow_confidence_difference": tuple(step / 10 for step in range(-10, 11)),
    "harbor_legacy_seconds": (*_SECONDS, 30.0),
    "harbor_ledger_flush_seconds": _SECONDS,
}


class Registered:
    """The catalogue's metrics in one registry.

    `TICKETS`' counters and histograms are the tallies of `totals` and `spreads`, for the event
    loop's thread alone. All others are prometheus_client's own, which any thread may count.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._tallies: dict[str, Totals | Spreads] = {}
        self._metrics: dict[str, MetricWrapperBase] = {}
        for entry in CATALOGUE:
            if entry in TICKETS and entry.type != "gauge":
                self._tallies[entry.name] = _tally(entry, registry)
            else:
                self._metrics[entry.name] = _create(entry, registry)
        # Looking one up by its labels costs ten times what counting does.
        self._labelled: dict[tuple[str, ...], MetricWrapperBase] = {
            (name,): metric for name, metric in self._metrics.items()
        }

    def totals(self, name: str) -> Totals:
        """The tallied counter of this name."""
        return self._tallies[name]  # type: ignore[return-value]

    def spreads(self, name: str) -> Spreads:
        """The tallied histogram of this name."""
        return self._tallies[name]  # type: ignore[return-value]

    def counter(self, name: str, *labels: str) -> Counter:
        """The counter of this name; given labels' values, the one that counts them."""
        return self._of((name, *labels))  # type: ignore[return-value]

    def gauge(self, name: str, *labels: str) -> Gauge:
        """The gauge of this name; given labels' values, the one that shows them."""
        return self._of((name, *labels))  # type: ignore[return-value]

    def histogram(self, name: str, *labels: str) -> Histogram:
        """The histogram of this name; given labels' values, the one that counts them."""
        return self._of((name, *labels))  # type: ignore[return-value]

    def _of(self, name: tuple[str, ...]) -> MetricWrapperBase:
        found = self._labelled.get(name)
        if found is None:
            found = self._labelled[name] = self._metrics[name[0]].labels(*name[1:])
        return found


def _tally(entry: Entry, registry: CollectorRegistry) -> Totals | Spreads:
    counter = entry.type == "counter"
    tally = Totals(entry) if counter else Spreads(entry, _BUCKETS[entry.name])
    registry.register(tally)
    return tally


def _create(entry: Entry, registry: CollectorRegistry) -> MetricWrapperBase:
    if entry.type == "counter":
        return Counter(entry.name, entry.help, entry.labels, registry=registry)
    if entry.type == "gauge":
        return Gauge(entry.name, entry.help, entry.labels, registry=registry)
    buckets = _BUCKETS[entry.name]
    return Histogram(entry.name, entry.help, entry.labels, registry=registry, buckets=buckets)
