"""Seconds of a legacy's answers come in; quantiles of the latest thousand go out."""

from collections import deque

import numpy as np

from service.shadow.documents import Latency

LATEST = 1000


class Latencies:
    """How long a legacy took for its latest answers."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=LATEST)

    def add(self, seconds: float) -> None:
        """One more answer."""
        self._seconds.append(seconds)

    def document(self) -> Latency:
        """Median and 99th percentile in milliseconds, None before the first answer."""
        if not self._seconds:
            return Latency(n=0, p50_ms=None, p99_ms=None)
        p50, p99 = (float(value) * 1000 for value in np.quantile(self._seconds, (0.5, 0.99)))
        return Latency(n=len(self._seconds), p50_ms=round(p50, 3), p99_ms=round(p99, 3))
