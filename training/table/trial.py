"""A recipe and a file of tickets come in; one finished run, without its weights, goes out."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.contract.bundle import seal
from training.checkpoint import SCOPE, WEIGHTS
from training.conclude import CHECKPOINT, REPORT
from training.config import RunConfig
from training.listener import Listener
from training.record import read_events
from training.run import EVENTS
from training.whole import run_whole


@dataclass(frozen=True)
class Cost:
    """parameters: of the network that is exported; learning: those that learned. seconds: of steps.

    passes: through the encoder's layers for one ticket and all tasks.
    """

    parameters: int
    learning: int
    seconds: float
    passes: float


def run_trial(config: RunConfig, data: Path, directory: Path, listener: Listener) -> None:
    """Runs what is not finished; of a finished run the answers and the figures are kept, not the
    weights: a table has a hundred runs. Raises TrainingError.
    """
    run_whole(config, data, directory, listener)
    keep_answers(directory / CHECKPOINT)


def keep_answers(checkpoint: Path) -> None:
    """Removes weights and scope of a checkpoint, and seals what is left."""
    heavy = [checkpoint / name for name in (WEIGHTS, SCOPE) if (checkpoint / name).exists()]
    for path in heavy:
        path.unlink()
    if heavy:
        seal(checkpoint)


def cost(directory: Path) -> Cost:
    """What a finished run took; the seconds of a run that was resumed count each step once."""
    report = json.loads((directory / REPORT).read_text(encoding="utf-8"))
    events = read_events(directory / EVENTS)
    began: dict[str, Any] = [event for event in events if event["event"] == "start"][-1]
    seconds = sum(event.get("seconds", 0.0) for event in events if event["event"] == "step")
    serving = report["serving"]
    return Cost(serving["parameters"], began["learning"], seconds, serving["passes"])
