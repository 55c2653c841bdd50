"""A number comes in; a record of the ledger goes out."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from service.ledger.ledger import Ledger
from service.ledger.records import Comparison, Decision, Told
from service.logs import open_log
from service.metrics import Metrics
from service.settings import Settings

TASKS = ("category", "queue", "urgency")
PRIMARY, LEGACY = "sha256:primary", "sha256:legacy"


def decision(number: int, **changed: Any) -> Decision:
    """Decision `number`, of ticket `number`, made at second `number`."""
    values: dict[str, Any] = {
        "id": f"d{number:06}",
        "request_id": f"r{number}",
        "ticket_id": f"t{number}",
        "at": float(number),
        "bundle_version": "1",
        "bundle_digest": PRIMARY,
        "tokens": 12,
        "truncated": False,
        "predictions": tuple(Told(task, f"{task}-a", 0.75, "auto") for task in TASKS),
    }
    return Decision(**{**values, **changed})


def comparison(number: int, **changed: Any) -> Comparison:
    """What a legacy said about the category of decision `number`: the same label."""
    values: dict[str, Any] = {
        "decision_id": f"d{number:06}",
        "at": float(number) + 0.5,
        "legacy": "old",
        "identity": LEGACY,
        "role": "incumbent",
        "task": "category",
        "outcome": "compared",
        "label": "category-a",
        "given_label": "A",
        "confidence": 0.5,
        "seconds": 0.01,
    }
    return Comparison(**{**values, **changed})


class Bench:
    """Settings, metrics, a log and a clock for ledgers under test."""

    def __init__(self, url: str, **settings: Any) -> None:
        values = {"bundle": Path(), "ledger_flush_s": 0.02, "drain_s": 5.0, **settings}
        self.settings = Settings(ledger=url, **values)
        self.metrics = Metrics(CollectorRegistry())
        self.stream = io.StringIO()
        self.now = 1_000.0

    def ledger(self, **arguments: Any) -> Ledger:
        """A ledger, not yet opened."""
        log = open_log(self.stream)
        return Ledger(self.settings, self.metrics.ledger, log, clock=lambda: self.now, **arguments)

    def count(self, name: str, **labels: str) -> float:
        """The value of a metric; 0 where it has none."""
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    @property
    def events(self) -> Sequence[str]:
        """What was logged."""
        return [json.loads(line)["event"] for line in self.stream.getvalue().splitlines()]
