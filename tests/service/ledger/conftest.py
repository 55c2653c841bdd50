"""Fixtures of the ledger's tests: an empty database of either kind."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.ledger.store import Store
from tests.postgres import Postgres, postgres


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    """A PostgreSQL server."""
    with postgres() as started:
        yield started


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.db"
    server: Postgres = request.getfixturevalue("server")
    return server.create()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """An open store without a record."""
    with Store(url) as opened:
        yield opened
