"""Fixtures of the interface's tests."""

from pathlib import Path

import pytest

from tests.service.api.watched import write_promised


@pytest.fixture(scope="session")
def promised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that promises a precision of .9 on the queue of every ticket."""
    return write_promised(tmp_path_factory.mktemp("bundle") / "promised")
