"""kill -9 takes at most what was recorded since the last write, and leaves the store intact."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from service.ledger.database import transaction
from service.ledger.store import Store
from service.ledger.tables import comparisons, decisions
from tests.service.ledger.made import TASKS

FLUSH_S = 0.5
LINES = 1_800
pytestmark = pytest.mark.slow


def _killed(url: str, lines: int) -> list[str]:
    """What a recording process said until it was killed, at least so many lines."""
    command = [sys.executable, "-m", "tests.service.ledger.recording", url, "500", str(FLUSH_S)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        return [*said, *process.stdout.read().splitlines()]


def test_a_killed_process_loses_at_most_its_last_interval(url: str) -> None:
    said = [line.split() for line in _killed(url, LINES)]
    recorded = {int(line[0]): float(line[1]) for line in said if line and line[0].isdecimal()}
    flushed = max(int(line[1]) for line in said if line and line[0] == "flushed")
    with Store(url) as store, transaction(store._engine, "read") as connection:
        kept = {int(name[1:]) for name in connection.scalars(select(decisions.c.id))}
        compared = list(connection.scalars(select(comparisons.c.decision_id)))
    assert kept == set(range(len(kept)))
    assert flushed < len(kept)
    # A batch may end between a decision and its comparisons, once.
    assert 0 <= len(kept) * len(TASKS) - len(compared) <= len(TASKS)
    lost_s = max(recorded.values()) - recorded[len(kept) - 1]
    # The write itself takes a moment; a machine that is busy stretches it.
    assert lost_s < FLUSH_S + 1.0


def test_the_file_of_a_killed_process_is_intact(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    _killed(url, 500)
    with Store(url) as store, transaction(store._engine, "none") as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
