"""Fixtures of the service's tests: tiny bundles, and an application that serves one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.contract.promises import Threshold
from tests.service.desk import Desk, serving
from tests.tiny_bundle import write_bundle

THRESHOLDS = {
    "category": Threshold(auto=0.0),
    "urgency": Threshold(auto=1.0, suggest=0.0),
}


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that promises nothing."""
    return write_bundle(tmp_path_factory.mktemp("bundle") / "plain")


@pytest.fixture(scope="session")
def promising(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with thresholds for two of its three tasks."""
    directory = tmp_path_factory.mktemp("bundle") / "promising"
    return write_bundle(directory, version="test-2", seed=1, thresholds=THRESHOLDS)


@pytest.fixture
async def desk(bundle: Path) -> AsyncIterator[Desk]:
    """An application that serves the plain bundle."""
    async with serving(bundle) as opened:
        yield opened
