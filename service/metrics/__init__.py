"""Metrics: the one place that knows their names and Prometheus."""

from service.metrics.catalogue import CATALOGUE
from service.metrics.entry import Entry
from service.metrics.fronts import Counts
from service.metrics.ledger import LedgerMetrics
from service.metrics.reliability import ReliabilityMetrics
from service.metrics.requests import CONTENT_TYPE, Metrics, Serving
from service.metrics.shadow import ShadowMetrics

__all__ = [
    "CATALOGUE",
    "CONTENT_TYPE",
    "Counts",
    "Entry",
    "LedgerMetrics",
    "Metrics",
    "ReliabilityMetrics",
    "Serving",
    "ShadowMetrics",
]
