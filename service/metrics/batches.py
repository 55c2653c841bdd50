"""The reports of batches come in; tallies go out, for the event loop alone."""

from service.engine.answer import BatchReport
from service.metrics.catalogue import Registered


class BatchMetrics:
    """What batches did, and what left the queue without one."""

    def __init__(self, registered: Registered) -> None:
        totals, spreads = registered.totals, registered.spreads
        self._tickets = spreads("harbor_batch_tickets").labels()
        self._tokens = spreads("harbor_batch_tokens").labels()
        self._real = totals("harbor_tokens_real_total").labels()
        self._padded = totals("harbor_tokens_padded_total").labels()
        self._infer = totals("harbor_infer_seconds_total").labels()
        self._predicted = totals("harbor_infer_predicted_seconds_total").labels()
        self._error = spreads("harbor_infer_error_ratio").labels()
        self._wide = totals("harbor_wide_batches_total").labels()
        self._shared = totals("harbor_tickets_shared_total").labels()
        self._released = totals("harbor_batches_total")
        self._dropped = totals("harbor_tickets_dropped_total")

    def count(self, report: BatchReport) -> None:
        """One batch ran, or tickets left the queue without being run."""
        if report.tickets:
            self._ran(report)
        if report.expired or report.abandoned or report.failed:
            self._drop(report)
        self._shared.value += report.shared

    def _ran(self, report: BatchReport) -> None:
        tokens, infer_s, predicted_s = report.padded_tokens, report.infer_s, report.predicted_s
        self._tickets.observe(report.tickets)
        self._tokens.observe(tokens)
        self._real.value += report.real_tokens
        self._padded.value += tokens
        self._infer.value += infer_s
        self._predicted.value += predicted_s
        if report.wide:
            self._wide.value += 1
        elif predicted_s:
            self._error.observe(infer_s / predicted_s)
        if report.released is not None:
            self._released.labels(report.released).value += 1

    def _drop(self, report: BatchReport) -> None:
        for reason in ("expired", "abandoned", "failed"):
            if count := getattr(report, reason):
                self._dropped.labels(reason).inc(count)
