"""A run and a step come in; the run is stopped after it, and what the run recorded goes out."""

import dataclasses
from pathlib import Path
from typing import Any

from tests.training.desk import silent
from training.listener import Listener
from training.record import read_events


class Interrupted(Exception):
    """Stands for a kill."""


def interrupted_after(step: int) -> Listener:
    """Tells nobody, and stops the run once a step is recorded."""

    def stop(found: int, _: dict[str, float]) -> None:
        if found == step:
            raise Interrupted

    return dataclasses.replace(silent(), step=stop)


def losses(directory: Path) -> list[tuple[int, dict[str, float]]]:
    """Of every recorded step, each task's loss."""
    return [(event["step"], event["losses"]) for event in steps(directory)]


def steps(directory: Path) -> list[dict[str, Any]]:
    """Everything that is recorded of every step, but when it was and how long it took."""
    events = [one for one in read_events(directory / "events.jsonl") if one["event"] == "step"]
    for event in events:
        del event["time"], event["seconds"]
    return events
