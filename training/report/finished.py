"""The directory of a run that came to its end comes in; what a report needs of it goes out."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.contract.bundle import bundle_digest
from service.contract.promises import Scope
from training.calibration.judge import scope_of
from training.calibration.promises import Promises
from training.checkpoint import CONFIG, Facts, load_facts
from training.conclude import CHECKPOINT
from training.errors import TrainingError
from training.predictions import Predictions
from training.record import read_events
from training.report.errors import Tickets
from training.report.tickets import read_tickets
from training.run import EVENTS

AUDIT = "audit.json"


@dataclass(frozen=True)
class Finished:
    """facts, predictions: of its checkpoint, whose digest is its identity. events: its record.

    predictions: by split; none where an older Harbor concluded the run. audit: what an audit left
    in the run's directory. config: the fingerprint of its configuration. tickets: of its test
    split. None: not known.
    """

    digest: str
    facts: Facts
    predictions: Mapping[str, Predictions]
    events: tuple[Mapping[str, Any], ...]
    audit: Mapping[str, Any] | None = None
    config: str | None = None
    tickets: Tickets | None = None

    def scope(self, promises: Promises) -> Scope | str | None:
        """From which score on a ticket is out of scope, as an export would have it; why there is
        none; None where the run has no scores.
        """
        if "calibration" not in self.predictions:
            return None
        return scope_of(self.predictions["calibration"], promises, self.facts.scope_method)


def read_finished(directory: Path) -> Finished:
    """Reads checkpoint and record, and what lies beside them: an audit, and the tickets where their
    file is still the one that the run read.

    Raises TrainingError where the run has no whole checkpoint.
    """
    checkpoint = directory / CHECKPOINT
    if not checkpoint.is_dir():
        raise TrainingError(f"{directory.name} has no checkpoint: the run has not come to its end")
    facts, predictions = load_facts(checkpoint)
    record = directory / EVENTS
    events = tuple(read_events(record)) if record.exists() else ()
    return Finished(
        bundle_digest(checkpoint),
        facts,
        predictions,
        events,
        _audit(directory / AUDIT),
        _fingerprint(checkpoint / CONFIG),
        read_tickets(directory, facts),
    )


def _audit(path: Path) -> Mapping[str, Any] | None:
    if not path.exists():
        return None
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {**document, "findings": list(document["findings"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"{path.name} is no file of findings: {error}") from error


def _fingerprint(path: Path) -> str | None:
    if not path.exists():
        return None
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
