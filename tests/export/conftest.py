"""What the tests of export share: checkpoints, the bundles made from them, and labelled tickets,
each made once.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from export.build import build
from export.cli import app
from export.plan import Wanted
from export.recalibrate import Recalibrated, recalibrate
from export.recard import recard
from service.contract.bundle import Calibration
from tests.export.tiny import (
    CALIBRATION,
    TRUTH,
    tiny_checkpoint,
    tiny_full_checkpoint,
    tiny_tickets,
)
from training.calibration.promises import Promises, parse_promises
from training.checkpoint import Checkpoint, load
from training.data.sample import write_csv
from training.data.table import Row

PROMISES: Promises = parse_promises(
    {"category": {"precision": 0.9, "suggest": 0.7}, "urgency": {"coverage": 0.5}}, "the test"
)
DRIFTED = {
    **TRUTH,
    "category": Calibration(method="truth", scale=(1.5,) * 3, bias=(2.8, 0.5, 0.0)),
}
"""How the labels come about at the desk of today: less sure than at that of the training."""


@pytest.fixture(scope="session")
def checkpoint_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint; not to be written to."""
    directory = tmp_path_factory.mktemp("runs") / "checkpoint"
    tiny_checkpoint(directory)
    return directory


@pytest.fixture(scope="session")
def checkpoint(checkpoint_directory: Path) -> Checkpoint:
    """The tiny checkpoint, read."""
    return load(checkpoint_directory)


@pytest.fixture(scope="session")
def sealed(checkpoint_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint's bundle; not to be written to."""
    directory = tmp_path_factory.mktemp("bundles") / "sealed"
    build(checkpoint_directory, directory)
    return directory


@dataclass(frozen=True)
class Rebuilt:
    """A second bundle of the same checkpoint, and what the command that made it printed."""

    directory: Path
    result: Result


@pytest.fixture(scope="session")
def rebuilt(checkpoint_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Rebuilt:
    """The tiny checkpoint's bundle once more, elsewhere, by the command line, as 2026.11.22-1."""
    directory = tmp_path_factory.mktemp("again") / "deep" / "bundle"
    arguments = ["build", str(checkpoint_directory), str(directory), "--version", "2026.11.22-1"]
    return Rebuilt(directory, CliRunner().invoke(app, arguments))


@pytest.fixture
def bundle(sealed: Path, tmp_path: Path) -> Path:
    """A copy of the bundle that a test may damage."""
    return Path(shutil.copytree(sealed, tmp_path / "bundle"))


@pytest.fixture(scope="session")
def full_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint with predictions and a scope score; not to be written to."""
    directory = tmp_path_factory.mktemp("runs") / "full"
    tiny_full_checkpoint(directory)
    return directory


@pytest.fixture(scope="session")
def promising(full_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that makes PROMISES; not to be written to."""
    directory = tmp_path_factory.mktemp("bundles") / "promising"
    build(full_directory, directory, promises=PROMISES)
    return directory


@pytest.fixture(scope="session")
def carded(promising: Path, full_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle `promising` with a fuller card; not to be written to."""
    directory = tmp_path_factory.mktemp("bundles") / "carded"
    recard(promising, full_directory, directory)
    return directory


@pytest.fixture(scope="session")
def few_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `full_directory`, with too few tickets to calibrate on for a limit of the scope."""
    directory = tmp_path_factory.mktemp("runs") / "few"
    tiny_full_checkpoint(directory, tickets=60)
    return directory


@pytest.fixture(scope="session")
def drifted_rows(full_directory: Path) -> list[Row]:
    """Labelled tickets of the desk of today, none of which the bundle has seen."""
    return tiny_tickets(load(full_directory).network, 700, 11, DRIFTED)


@pytest.fixture(scope="session")
def labelled(drifted_rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a file."""
    path = tmp_path_factory.mktemp("tickets") / "labelled.csv"
    write_csv(path, drifted_rows, tuple(CALIBRATION))
    return path


@dataclass(frozen=True)
class Renewed:
    """A recalibrated bundle, and what `recalibrate` returned."""

    directory: Path
    made: Recalibrated


@pytest.fixture(scope="session")
def renewed(promising: Path, labelled: Path, tmp_path_factory: pytest.TempPathFactory) -> Renewed:
    """The bundle `promising` recalibrated on `labelled`; not to be written to."""
    directory = tmp_path_factory.mktemp("bundles") / "renewed"
    return Renewed(directory, recalibrate(promising, directory, Wanted(labelled)))
