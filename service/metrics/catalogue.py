"""Every metric is named and described here; registered metrics go out.

Only this package knows a metric's name.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from service.metrics.device_entries import DEVICE
from service.metrics.entry import Entry
from service.metrics.ledger_entries import LEDGER
from service.metrics.shadow_entries import SHADOW

CATALOGUE = (
    Entry(
        "harbor_requests_total",
        "counter",
        ("endpoint", "outcome"),
        "HTTP requests by outcome: `ok` or the problem's code",
    ),
    Entry(
        "harbor_request_seconds",
        "histogram",
        ("endpoint",),
        "From a request's arrival to its reply, in seconds",
    ),
    Entry(
        "harbor_tickets_total",
        "counter",
        ("outcome",),
        "Tickets by outcome, each ticket of a batch request counted",
    ),
    Entry(
        "harbor_stage_seconds",
        "histogram",
        ("stage",),
        "Seconds of each routed ticket by stage: tokenize, queue, infer, total",
    ),
    Entry("harbor_truncated_total", "counter", (), "Tickets whose text exceeded the token limit"),
    Entry("harbor_batch_tickets", "histogram", (), "Tickets in a batch"),
    Entry("harbor_batch_tokens", "histogram", (), "Tokens in a batch, padding included"),
    Entry("harbor_tokens_real_total", "counter", (), "Tokens that were run, without padding"),
    Entry(
        "harbor_tokens_padded_total",
        "counter",
        (),
        "Tokens that were run, with padding; real over padded is the efficiency",
    ),
    Entry("harbor_infer_seconds_total", "counter", (), "Seconds that batches took"),
    Entry(
        "harbor_infer_predicted_seconds_total",
        "counter",
        (),
        "Seconds that the cost model expected them to take",
    ),
    Entry(
        "harbor_infer_error_ratio",
        "histogram",
        (),
        "Seconds that a batch took, over what the cost model expected",
    ),
    Entry(
        "harbor_batches_total",
        "counter",
        ("released",),
        "Batches by why they went: emptied (all that waited), full (at a limit), best (a larger "
        "one would have been worth less a second)",
    ),
    Entry("harbor_wide_batches_total", "counter", (), "Batches that ran on every core"),
    Entry(
        "harbor_tickets_shared_total",
        "counter",
        (),
        "Tickets that got the answer of an equal one that was under way already",
    ),
    Entry("harbor_queue_depth", "gauge", (), "Tickets that wait now"),
    Entry(
        "harbor_tickets_dropped_total",
        "counter",
        ("reason",),
        "Accepted tickets without an answer: expired, abandoned (the caller left), failed",
    ),
    Entry(
        "harbor_predictions_total",
        "counter",
        ("task", "label", "decision"),
        "Predictions; series of labels that a new bundle lacks are removed",
    ),
    Entry("harbor_confidence", "histogram", ("task",), "Confidence of the predicted label"),
    Entry(
        "harbor_out_of_scope_total",
        "counter",
        (),
        "Tickets unlike those that the bundle was trained on; a human decides them",
    ),
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
    """The catalogue's metrics in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._metrics = {entry.name: _create(entry, registry) for entry in CATALOGUE}
        # Looking one up by its labels costs ten times what counting does; a ticket takes dozens.
        self._labelled: dict[tuple[str, ...], MetricWrapperBase] = {
            (name,): metric for name, metric in self._metrics.items()
        }

    def counter(self, name: str, *labels: str) -> Counter:
        """The counter of this name; given labels' values, the one that counts them."""
        return self._of((name, *labels))  # type: ignore[return-value]

    def gauge(self, name: str, *labels: str) -> Gauge:
        """The gauge of this name; given labels' values, the one that shows them."""
        return self._of((name, *labels))  # type: ignore[return-value]

    def histogram(self, name: str, *labels: str) -> Histogram:
        """The histogram of this name; given labels' values, the one that counts them."""
        return self._of((name, *labels))  # type: ignore[return-value]

    def remove(self, name: str, *labels: str) -> None:
        """Forgets what was counted under these labels' values."""
        self._labelled.pop((name, *labels), None)
        self._metrics[name].remove(*labels)

    def _of(self, name: tuple[str, ...]) -> MetricWrapperBase:
        found = self._labelled.get(name)
        if found is None:
            found = self._labelled[name] = self._metrics[name[0]].labels(*name[1:])
        return found


def _create(entry: Entry, registry: CollectorRegistry) -> MetricWrapperBase:
    if entry.type == "counter":
        return Counter(entry.name, entry.help, entry.labels, registry=registry)
    if entry.type == "gauge":
        return Gauge(entry.name, entry.help, entry.labels, registry=registry)
    buckets = _BUCKETS[entry.name]
    return Histogram(entry.name, entry.help, entry.labels, registry=registry, buckets=buckets)
