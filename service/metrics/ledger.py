"""What happens to the ledger's records comes in; counters go out."""

from collections.abc import Callable

from service.metrics.catalogue import Registered


class LedgerMetrics:
    """The metrics of one ledger."""

    def __init__(self, registered: Registered) -> None:
        self._all = registered

    def watch_queue(self, depth: Callable[[], float]) -> None:
        """Asks `depth` for the records that wait whenever the metrics are read."""
        self._all.gauge("harbor_ledger_queue").set_function(depth)

    def wrote(self, kind: str, records: int) -> None:
        """Records are in the store. kind: decision, comparison, feedback."""
        self._all.counter("harbor_ledger_records_total").labels(kind).inc(records)

    def dropped(self, kind: str, reason: str, records: int = 1) -> None:
        """Records are lost. reason: queue_full, closing, refused."""
        self._all.counter("harbor_ledger_dropped_total").labels(kind, reason).inc(records)

    def opened(self) -> None:
        """The store was reached, before anything was written to it."""
        self._all.gauge("harbor_ledger_up").set(1)

    def flushed(self, seconds: float) -> None:
        """A write succeeded."""
        self._all.histogram("harbor_ledger_flush_seconds").observe(seconds)
        self._all.gauge("harbor_ledger_up").set(1)

    def failed(self) -> None:
        """A write failed and will be repeated."""
        self._all.counter("harbor_ledger_failures_total").inc()
        self._all.gauge("harbor_ledger_up").set(0)

    def pruned(self, reason: str, decisions: int) -> None:
        """Retention removed decisions. reason: age, size."""
        self._all.counter("harbor_ledger_pruned_total").labels(reason).inc(decisions)

    def feedback(self, outcome: str, labels: int = 1) -> None:
        """Final labels came in. outcome: a `FeedbackOutcome`, or unmatched in addition."""
        self._all.counter("harbor_feedback_total").labels(outcome).inc(labels)
