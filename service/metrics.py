"""What happens to requests, tickets and batches comes in; Prometheus text goes out.

Only this file knows a metric's name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics import MetricWrapperBase

from service.api.schema import Prediction, Timings
from service.contract.tasks import Task
from service.engine.answer import BatchReport

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Entry(NamedTuple):
    """One line of the catalogue; README's table of metrics is tested against it."""

    name: str
    type: str
    labels: tuple[str, ...]
    help: str


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
    Entry("harbor_bundle_info", "gauge", ("version", "digest"), "1 for the bundle that serves"),
    Entry("harbor_provider_info", "gauge", ("provider",), "1 for the provider that serves"),
    Entry("harbor_degraded", "gauge", (), "1 if `provider = auto` fell back to the CPU"),
    Entry("harbor_bundle_swaps_total", "counter", ("result",), "Bundle swaps: `ok` or `refused`"),
)

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BUCKETS = {
    "harbor_request_seconds": _SECONDS,
    "harbor_stage_seconds": (0.0001, 0.0005, *_SECONDS),
    "harbor_batch_tickets": (1, 2, 4, 8, 16, 32, 64, 128),
    "harbor_batch_tokens": (32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768),
    "harbor_confidence": tuple(step / 20 for step in range(1, 21)),
}


@dataclass(frozen=True, slots=True)
class Serving:
    """The bundle that serves, as the metrics name it."""

    version: str
    digest: str
    provider: str
    degraded: bool
    tasks: tuple[Task, ...]


class Metrics:
    """Every metric of one process, in its own registry."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._metrics = {entry.name: _create(entry, self.registry) for entry in CATALOGUE}
        self._labels: set[tuple[str, str, str]] = set()
        self._tasks: set[str] = set()

    def watch_queue(self, depth: Callable[[], float]) -> None:
        """Asks `depth` for the queue's length whenever the metrics are read."""
        self._gauge("harbor_queue_depth").set_function(depth)

    def request(self, endpoint: str, outcome: str, seconds: float) -> None:
        """One HTTP request was answered, or its caller left."""
        self._counter("harbor_requests_total").labels(endpoint, outcome).inc()
        self._histogram("harbor_request_seconds").labels(endpoint).observe(seconds)

    def ticket(self, outcome: str) -> None:
        """One ticket got a reply (`ok`) or a problem (its code), or its caller left."""
        self._counter("harbor_tickets_total").labels(outcome).inc()

    def routed(
        self, predictions: dict[str, Prediction], timings_ms: Timings, truncated: bool
    ) -> None:
        """What one routed ticket was told."""
        for task, prediction in predictions.items():
            key = (task, prediction.label, prediction.decision)
            self._labels.add(key)
            self._tasks.add(task)
            self._counter("harbor_predictions_total").labels(*key).inc()
            self._histogram("harbor_confidence").labels(task).observe(prediction.confidence)
        stages = self._histogram("harbor_stage_seconds")
        stages.labels("tokenize").observe(timings_ms.tokenize / 1000)
        stages.labels("queue").observe(timings_ms.queue / 1000)
        stages.labels("infer").observe(timings_ms.infer / 1000)
        stages.labels("total").observe(timings_ms.total / 1000)
        if truncated:
            self._counter("harbor_truncated_total").inc()

    def batch(self, report: BatchReport) -> None:
        """One batch ran, or tickets left the queue without being run."""
        for reason in ("expired", "abandoned", "failed"):
            if count := getattr(report, reason):
                self._counter("harbor_tickets_dropped_total").labels(reason).inc(count)
        if not report.tickets:
            return
        self._histogram("harbor_batch_tickets").observe(report.tickets)
        self._histogram("harbor_batch_tokens").observe(report.padded_tokens)
        self._counter("harbor_tokens_real_total").inc(report.real_tokens)
        self._counter("harbor_tokens_padded_total").inc(report.padded_tokens)
        self._counter("harbor_infer_seconds_total").inc(report.infer_s)
        self._counter("harbor_infer_predicted_seconds_total").inc(report.predicted_s)

    def serving(self, serving: Serving) -> None:
        """This bundle serves from now on."""
        for name in ("harbor_bundle_info", "harbor_provider_info"):
            self._gauge(name).clear()
        self._gauge("harbor_bundle_info").labels(serving.version, serving.digest).set(1)
        self._gauge("harbor_provider_info").labels(serving.provider).set(1)
        self._gauge("harbor_degraded").set(serving.degraded)
        self._forget_labels_outside(serving.tasks)

    def swap(self, result: str) -> None:
        """A swap ended: `ok` or `refused`."""
        self._counter("harbor_bundle_swaps_total").labels(result).inc()

    def exposition(self) -> bytes:
        """Every metric in the plain text format of `CONTENT_TYPE`."""
        return generate_latest(self.registry)

    def _forget_labels_outside(self, tasks: tuple[Task, ...]) -> None:
        known = {(task.name, label) for task in tasks for label in task.labels}
        for key in [key for key in self._labels if key[:2] not in known]:
            self._labels.remove(key)
            self._counter("harbor_predictions_total").remove(*key)
        for task in self._tasks - {task.name for task in tasks}:
            self._tasks.remove(task)
            self._histogram("harbor_confidence").remove(task)

    def _counter(self, name: str) -> Counter:
        return self._metrics[name]  # type: ignore[return-value]

    def _gauge(self, name: str) -> Gauge:
        return self._metrics[name]  # type: ignore[return-value]

    def _histogram(self, name: str) -> Histogram:
        return self._metrics[name]  # type: ignore[return-value]


def _create(entry: Entry, registry: CollectorRegistry) -> MetricWrapperBase:
    if entry.type == "counter":
        return Counter(entry.name, entry.help, entry.labels, registry=registry)
    if entry.type == "gauge":
        return Gauge(entry.name, entry.help, entry.labels, registry=registry)
    buckets = _BUCKETS[entry.name]
    return Histogram(entry.name, entry.help, entry.labels, registry=registry, buckets=buckets)
