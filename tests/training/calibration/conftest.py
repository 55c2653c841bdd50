"""Tickets that several files decide about."""

import pytest

from tests.training.calibration.simulated import Simulated, simulate


@pytest.fixture(scope="session")
def tickets() -> Simulated:
    return simulate(1500, seed=2)
