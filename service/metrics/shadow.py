"""What happens to shadow comparisons comes in; counters and gauges go out."""

from collections.abc import Callable

from service.metrics.catalogue import Registered

MAX_PAIRS = 400
OTHER = "other"


class ShadowMetrics:
    """The metrics of the shadow."""

    def __init__(self, registered: Registered) -> None:
        self._all = registered
        self._pairs: set[tuple[str, str, str, str]] = set()

    def watch_pending(self, legacy: str, pending: Callable[[], float]) -> None:
        """Asks `pending` for the legacy's open tickets whenever the metrics are read."""
        self._all.gauge("harbor_shadow_pending", legacy).set_function(pending)

    def offered(self, legacy: str, task: str) -> None:
        """An answer is to be compared; exactly one of compared, dropped, failed follows."""
        self._all.counter("harbor_shadow_offered_total", legacy, task).inc()

    def sampled_out(self, legacy: str) -> None:
        """Sampling left a ticket out."""
        self._all.counter("harbor_shadow_sampled_out_total", legacy).inc()

    def compared(self, legacy: str, task: str, primary: str, shadow: str) -> None:
        """An answer was compared. primary, shadow: the two labels, in the bundle's words."""
        self._all.counter("harbor_shadow_compared_total", legacy, task).inc()
        # The counter exists from the first comparison on, so that a rate of 0 can be queried.
        differs = self._all.counter("harbor_shadow_disagreed_total", legacy, task)
        differs.inc(primary != shadow)
        pair = (legacy, task, primary, shadow)
        if pair not in self._pairs and len(self._pairs) >= MAX_PAIRS:
            pair = (legacy, task, OTHER, OTHER)
        self._pairs.add(pair)
        self._all.counter("harbor_shadow_labels_total", *pair).inc()

    def differed(self, legacy: str, task: str, confidence: float) -> None:
        """confidence: of the reply less the legacy's, from -1 to 1."""
        histogram = self._all.histogram("harbor_shadow_confidence_difference")
        histogram.labels(legacy, task).observe(confidence)

    def dropped(self, legacy: str, task: str, reason: str) -> None:
        """The legacy was not asked."""
        self._all.counter("harbor_shadow_dropped_total", legacy, task, reason).inc()

    def failed(self, legacy: str, task: str, reason: str) -> None:
        """The legacy was asked in vain."""
        self._all.counter("harbor_shadow_failed_total", legacy, task, reason).inc()

    def answered(self, legacy: str, seconds: float) -> None:
        """The legacy answered a ticket."""
        self._all.histogram("harbor_legacy_seconds").labels(legacy).observe(seconds)

    def circuit(self, legacy: str, is_open: bool) -> None:
        """The legacy's circuit breaker opened or closed."""
        self._all.gauge("harbor_legacy_circuit_open", legacy).set(is_open)

    def window(
        self, legacy: str, task: str, count: int, rate: float, low: float, high: float
    ) -> None:
        """The window's disagreement: its answers, their rate and the bounds of its interval."""
        for bound, value in (("rate", rate), ("low", low), ("high", high)):
            self._all.gauge("harbor_shadow_disagreement_ratio", legacy, task, bound).set(value)
        self._all.gauge("harbor_shadow_window_compared", legacy, task).set(count)

    def noise(self, task: str, one: str, other: str, differs: bool) -> None:
        """Two legacies answered the same task of one ticket."""
        self._all.counter("harbor_shadow_noise_compared_total", task, one, other).inc()
        self._all.counter("harbor_shadow_noise_disagreed_total", task, one, other).inc(differs)
