"""The benchmark of the training loop, on the tiny desk in small numbers."""

from pathlib import Path

import pytest

from tests.benchmarks.training import EVERY, Round, built, figures, measure
from tests.training.desk import tiny_config, write_desk, write_encoder


@pytest.mark.slow
def test_the_training_benchmark_runs_on_the_tiny_desk(tmp_path: Path) -> None:
    config = tiny_config(
        write_encoder(tmp_path / "encoder"), frozen_epochs=0, diagnostics={"every_steps": 0}
    )
    with built(tmp_path / "run", config, write_desk(tmp_path / "desk.csv")) as loop:
        rounds = measure(loop, steps=2, rounds=3)
    assert len(rounds) == 3
    assert all(min(one.harbor, one.bare, one.compared, one.plain) > 0 for one in rounds)


def test_the_figures_follow_from_the_seconds() -> None:
    rounds = [Round(harbor=10.0, bare=9.0, compared=3.0, plain=1.0, steps=10)] * 3
    found = {figure.measure: figure for figure in figures(rounds)}
    assert found["loop over bare, without diagnosing"].value == pytest.approx(0.9)
    assert found["one comparison, in steps"].value == pytest.approx(2.0)
    overhead = found[f"overhead of diagnosing 1 in {EVERY}"]
    assert overhead.value == pytest.approx(2.0 / EVERY)
    assert overhead.holds
    with_it = found[f"loop over bare, diagnosing 1 in {EVERY}"]
    assert with_it.value == pytest.approx(0.9 / 1.04)
    assert not with_it.holds
