"""A bundle, a ledger and tickets to replay."""

from pathlib import Path

import pytest

from service.settings import Settings
from tests.service.shadow.replay.past import text, write
from tests.tiny_bundle import write_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("replay") / "bundle")


@pytest.fixture
def settings(bundle: Path, tmp_path: Path) -> Settings:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    return Settings(bundle=bundle, ledger=url, sessions=1, provider="cpu")


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    """300 tickets, more than are run at once."""
    rows = ((str(number), "Subject", text(number)) for number in range(300))
    return write(tmp_path / "tickets.csv", ("id", "subject", "body"), rows)
