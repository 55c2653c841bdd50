"""What happens to requests, tickets and batches comes in; Prometheus text goes out."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from service.api.schema import Prediction, Timings
from service.contract.tasks import Task
from service.engine.answer import BatchReport, DeviceReport
from service.metrics.batches import BatchMetrics
from service.metrics.catalogue import Registered
from service.metrics.fronts import Counts, Fronts, counts_of
from service.metrics.ledger import LedgerMetrics
from service.metrics.reliability import ReliabilityMetrics
from service.metrics.shadow import ShadowMetrics
from service.metrics.tallies import counted

Told = tuple[str, str, str]
"""Task, label, decision."""

Observe = Callable[[float], None]

_STAGES = ("tokenize", "queue", "infer", "total")

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Serving:
    """The bundle that serves, as the metrics name it."""

    version: str
    digest: str
    provider: str
    degraded: bool
    tasks: tuple[Task, ...]


class Metrics:
    """Every metric of one process, in its own registry.

    Its own methods are for the event loop's thread alone: they count without a lock. What `shadow`,
    `ledger` and `reliability` count takes one.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._all = Registered(self.registry)
        self.shadow = ShadowMetrics(self._all)
        self.ledger = LedgerMetrics(self._all)
        self.reliability = ReliabilityMetrics(self._all)
        self.fronts = Fronts()
        self._before_reading: list[Callable[[], Awaitable[None]]] = []
        self._batches = BatchMetrics(self._all)
        self._tickets = self._all.totals("harbor_tickets_total")
        self._requests: dict[tuple[str, str], Observe] = {}
        self._told: dict[Told, Observe] = {}
        self._stages: list[Observe] = []

    def watch_queue(self, depth: Callable[[], float]) -> None:
        """Asks `depth` for the queue's length whenever the metrics are read."""
        self._all.gauge("harbor_queue_depth").set_function(depth)

    def request(self, endpoint: str, outcome: str, seconds: float) -> None:
        """One HTTP request was answered, or its caller left."""
        key = endpoint, outcome
        (self._requests.get(key) or self._begin_requests(key))(seconds)

    def ticket(self, outcome: str) -> None:
        """One ticket got a reply (`ok`) or a problem (its code), or its caller left."""
        self._tickets.labels(outcome).value += 1

    def routed(
        self,
        predictions: dict[str, Prediction],
        timings_ms: Timings,
        truncated: bool,
        *,
        inside: bool = True,
    ) -> None:
        """What one routed ticket was told. inside: it is in scope."""
        told = self._told
        for task, prediction in predictions.items():
            key = task, prediction.label, prediction.decision
            (told.get(key) or self._begin(key))(prediction.confidence)
        tokenize, queue, infer, total = self._stages or self._begin_stages()
        tokenize(timings_ms.tokenize / 1000)
        queue(timings_ms.queue / 1000)
        infer(timings_ms.infer / 1000)
        total(timings_ms.total / 1000)
        if truncated:
            self._all.totals("harbor_truncated_total").labels().inc()
        if not inside:
            self._all.totals("harbor_out_of_scope_total").labels().inc()

    def batch(self, report: BatchReport) -> None:
        """One batch ran, or tickets left the queue without being run."""
        self._batches.count(report)
        if report.device is not None:
            self._device(report.device)

    def serving(self, serving: Serving) -> None:
        """This bundle serves from now on."""
        self._all.gauge("harbor_bundle_info").clear()
        self._all.gauge("harbor_bundle_info").labels(serving.version, serving.digest).set(1)
        self._place(serving.provider, degraded=serving.degraded)
        self._forget_labels_outside(serving.tasks)

    def swap(self, result: str) -> None:
        """A swap ended: `ok` or `refused`."""
        self._all.counter("harbor_bundle_swaps_total").labels(result).inc()

    def before_reading(self, refresh: Callable[[], Awaitable[None]]) -> None:
        """Waits for `refresh` before the metrics are read."""
        self._before_reading.append(refresh)

    async def read(self) -> bytes:
        """As `exposition`, once all that other processes have counted is there."""
        for refresh in self._before_reading:
            await refresh()
        return self.exposition()

    def exposition(self) -> bytes:
        """Every metric in the plain text format of `CONTENT_TYPE`."""
        if not self.fronts.expected:
            return generate_latest(self.registry)
        self._all.gauge("harbor_fronts").set(len(self.fronts))
        for name, counts in self.fronts.used():
            self._all.gauge("harbor_front_cpu_seconds", name).set(counts.cpu_s)
            self._all.gauge("harbor_front_resident_bytes", name).set(counts.resident_bytes)
        return generate_latest(self.fronts.added_to(self.registry))

    def enter(self, name: str) -> int:
        """A front connects. Returns the number to report its counts under."""
        number, known = self.fronts.enter(name)
        if known:
            self._all.counter("harbor_front_restarts_total").inc()
        return number

    def counts(self) -> Counts:
        """What this process has counted, for the one that adds all up."""
        return counts_of(self.registry)

    def _begin(self, key: Told) -> Observe:
        """What counts one answer; found anew for every ticket it would cost as much again."""
        total = self._all.totals("harbor_predictions_total").labels(*key)
        self._told[key] = counted(total, self._all.spreads("harbor_confidence").labels(key[0]))
        return self._told[key]

    def _begin_requests(self, key: tuple[str, str]) -> Observe:
        total = self._all.totals("harbor_requests_total").labels(*key)
        spread = self._all.spreads("harbor_request_seconds").labels(key[0])
        self._requests[key] = counted(total, spread)
        return self._requests[key]

    def _begin_stages(self) -> list[Observe]:
        stages = self._all.spreads("harbor_stage_seconds")
        self._stages = [stages.labels(stage).observe for stage in _STAGES]
        return self._stages

    def _device(self, report: DeviceReport) -> None:
        self._place(report.provider, degraded=report.degraded)
        for what in ("retries", "losses", "recoveries"):
            if count := getattr(report, what):
                self._all.counter(f"harbor_device_{what}_total").inc(count)

    def _place(self, provider: str, *, degraded: bool) -> None:
        self._all.gauge("harbor_provider_info").clear()
        self._all.gauge("harbor_provider_info").labels(provider).set(1)
        self._all.gauge("harbor_degraded").set(degraded)

    def _forget_labels_outside(self, tasks: tuple[Task, ...]) -> None:
        known = {(task.name, label) for task in tasks for label in task.labels}
        names = {task.name for task in tasks}
        self.fronts.keep("harbor_predictions", lambda of: (of["task"], of["label"]) in known)
        self.fronts.keep("harbor_confidence", lambda of: of["task"] in names)
        gone = [key for key in self._told if key[:2] not in known]
        for key in gone:
            del self._told[key]
            self._all.totals("harbor_predictions_total").remove(*key)
        for task in {key[0] for key in gone} - names:
            self._all.spreads("harbor_confidence").remove(task)
