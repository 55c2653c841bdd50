"""A configuration and a file of tickets come in; the report of a finished run goes out, begun,
resumed or found finished.
"""

from pathlib import Path
from typing import Any

from training.conclude import conclude, concluded
from training.config import RunConfig, read_config
from training.errors import TrainingError
from training.hold import hold
from training.listener import Listener
from training.loop import BEST, STATE
from training.prepare import ORIGIN
from training.run import CONFIG, start, train


def run_whole(config: RunConfig, data: Path, directory: Path, listener: Listener) -> dict[str, Any]:
    """The report of the run in a directory, which a second call finds there.

    Its checkpoint stays; what only a run in progress needs is removed: it is four times the size.
    Raises TrainingError, also where the directory holds a run of another configuration.
    """
    begin(config, data, directory)
    report = concluded(directory)
    if report is None:
        with hold(directory):
            report = conclude(train(directory, listener), directory, listener)
    discard_state(directory)
    return report


def begin(config: RunConfig, data: Path, directory: Path) -> None:
    """Starts a run, or sees that the one in the directory is of this configuration. Raises
    TrainingError.
    """
    # The origin is what a start writes last.
    if not (directory / ORIGIN).exists():
        start(config, data, directory)
    elif read_config(directory / CONFIG) != config:
        raise TrainingError(
            f"{directory} holds a run of another configuration; choose another --out"
        )


def discard_state(directory: Path) -> None:
    """Removes what only a run in progress needs: the optimiser's state and the best epoch."""
    for name in (STATE, BEST):
        (directory / name).unlink(missing_ok=True)
