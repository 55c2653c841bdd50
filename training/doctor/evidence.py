"""The directories of a run and of its baselines come in; what they recorded goes out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training.errors import TrainingError
from training.record import read_events
from training.single_scores import BASELINES as BASELINES

EVENTS, REPORT = "events.jsonl", "report.json"

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Evidence:
    """What was seen of earlier training; all of it empty where nothing was trained yet.

    events: the run's record. report: of its test split. baselines: of single-task training.
    """

    events: tuple[Document, ...] = ()
    report: Document = field(default_factory=dict)
    baselines: Document = field(default_factory=dict)

    def of(self, event: str) -> list[Document]:
        """The events of one kind, in their order."""
        return [one for one in self.events if one.get("event") == event]


def read_evidence(run: Path | None, baselines: Path | None) -> Evidence:
    """Reads what is there. Raises TrainingError where a file is damaged, or `run` is no run."""
    events: tuple[Document, ...] = ()
    if run is not None:
        if not (run / EVENTS).exists():
            raise TrainingError(f"{run.name} is not a run directory: it has no {EVENTS}")
        events = tuple(read_events(run / EVENTS))
    return Evidence(events, _read(run, REPORT), _read(baselines, BASELINES))


def check_same_tickets(evidence: Evidence, fingerprint: str) -> None:
    """Raises TrainingError where run or baselines were trained on other tickets than those of the
    fingerprint.
    """
    known = {
        "run": next((one.get("data_fingerprint") for one in evidence.of("start")), None),
        "baselines": evidence.baselines.get("data_fingerprint"),
    }
    for name, found in known.items():
        if found not in {None, fingerprint}:
            raise TrainingError(f"--{name} was trained on other tickets than these")


def _read(directory: Path | None, name: str) -> Document:
    if directory is None or not (directory / name).exists():
        return {}
    try:
        document = json.loads((directory / name).read_text(encoding="utf-8"))
        if not isinstance(document.get("tasks"), dict):
            raise ValueError("it names no tasks")
    except (OSError, ValueError, AttributeError) as error:
        raise TrainingError(f"{name} of {directory.name} cannot be read: {error}") from error
    found: Document = document
    return found
