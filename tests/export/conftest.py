"""What the tests of export share: a checkpoint and the bundle made from it, each made once."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from export.build import build
from export.cli import app
from tests.export.tiny import tiny_checkpoint
from training.checkpoint import Checkpoint, load


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
