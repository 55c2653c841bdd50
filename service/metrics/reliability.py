"""What final labels say about each task comes in; gauges go out, none where nobody knows."""

from collections.abc import Mapping

from service.metrics.catalogue import Registered
from service.reliability.document import TaskReliability

_GAUGES = (
    "harbor_reliability_expected",
    "harbor_reliability_observed",
    "harbor_reliability_gap",
    "harbor_reliability_labelled",
    "harbor_promise_observed",
    "harbor_promise_target",
    "harbor_promise_broken",
)


class ReliabilityMetrics:
    """The metrics of the live check."""

    def __init__(self, registered: Registered) -> None:
        self._all = registered

    def show(self, tasks: Mapping[str, TaskReliability]) -> None:
        """Each task's figures, in place of all earlier ones."""
        self.clear()
        for task, found in tasks.items():
            self._set("harbor_reliability_labelled", found.n, task)
            self._set("harbor_reliability_expected", found.expected, task)
            self._set("harbor_reliability_observed", found.observed, task)
            if found.gap is not None:
                for bound in ("value", "low", "high"):
                    self._set("harbor_reliability_gap", getattr(found.gap, bound), task, bound)
            self._show_promise(task, found)

    def clear(self) -> None:
        """Nothing is known: a gauge that stood still would pass for news."""
        for name in _GAUGES:
            self._all.gauge(name).clear()

    def _show_promise(self, task: str, found: TaskReliability) -> None:
        promise = found.promise
        if promise is None:
            return
        self._set("harbor_promise_target", promise.target, task)
        self._set("harbor_promise_broken", promise.broken, task)
        bounds = {"value": promise.observed, "low": promise.low, "high": promise.high}
        for bound, value in bounds.items():
            self._set("harbor_promise_observed", value, task, bound)

    def _set(self, name: str, value: float | None, *labels: str) -> None:
        # Not `gauge(name, *labels)`, which remembers children that `clear` has removed.
        if value is not None:
            self._all.gauge(name).labels(*labels).set(value)
