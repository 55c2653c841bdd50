"""What the tests of training share: an encoder directory, a desk, and one finished run."""

from pathlib import Path

import pytest

from tests.training.desk import silent, tiny_config, write_desk, write_encoder
from training.conclude import conclude
from training.run import start, train


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder directory in the hub's format."""
    return write_encoder(tmp_path_factory.mktemp("encoders") / "tiny-bert")


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV of partly labelled tickets."""
    return write_desk(tmp_path_factory.mktemp("desks") / "tickets.csv")


@pytest.fixture(scope="session")
def finished(encoder: Path, desk: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run that went to its end; not to be written to."""
    directory = tmp_path_factory.mktemp("runs") / "finished"
    start(tiny_config(encoder), desk, directory)
    conclude(train(directory, silent()), directory, silent())
    return directory
