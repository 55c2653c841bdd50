"""The directory of a run that came to its end comes in; what a report needs of it goes out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.contract.bundle import bundle_digest
from service.contract.promises import Scope
from training.calibration.judge import scope_of
from training.calibration.promises import Promises
from training.checkpoint import Facts, load_facts
from training.conclude import CHECKPOINT
from training.errors import TrainingError
from training.predictions import Predictions
from training.record import read_events
from training.run import EVENTS


@dataclass(frozen=True)
class Finished:
    """facts, predictions: of its checkpoint, whose digest is its identity. events: its record.

    predictions: by split; none where an older Harbor concluded the run.
    """

    digest: str
    facts: Facts
    predictions: Mapping[str, Predictions]
    events: tuple[Mapping[str, Any], ...]

    def scope(self, promises: Promises) -> Scope | str | None:
        """From which score on a ticket is out of scope, as an export would have it; why there is
        none; None where the run has no scores.
        """
        if "calibration" not in self.predictions:
            return None
        return scope_of(self.predictions["calibration"], promises, self.facts.scope_method)


def read_finished(directory: Path) -> Finished:
    """Reads checkpoint and record. Raises TrainingError where the run has no whole checkpoint."""
    checkpoint = directory / CHECKPOINT
    if not checkpoint.is_dir():
        raise TrainingError(f"{directory.name} has no checkpoint: the run has not come to its end")
    facts, predictions = load_facts(checkpoint)
    record = directory / EVENTS
    events = tuple(read_events(record)) if record.exists() else ()
    return Finished(bundle_digest(checkpoint), facts, predictions, events)
