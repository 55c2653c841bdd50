"""The benchmark of the added CPU, on the tiny bundle in small numbers."""

from pathlib import Path

import pytest

from tests.benchmarks import added_cpu
from tests.benchmarks.bounds import Bound, Figure
from tests.benchmarks.hollow import open_hollow, write_hollow
from tests.tiny_bundle import write_bundle


@pytest.mark.slow
def test_every_figure_is_measured(tmp_path: Path) -> None:
    figures = added_cpu.measure(write_bundle(tmp_path / "bundle"), requests=200, rounds=1)
    found = {figure.measure: figure for figure in figures}
    assert found["a routed ticket, ledger on"].value > 0
    assert found["tokens a ticket"].value > 2
    assert {name for name, figure in found.items() if figure.bound is not None} == {
        "a routed ticket, ledger on",
        "a refusal (503)",
    }


def test_a_hollow_bundle_opens_and_answers_every_task(tmp_path: Path) -> None:
    hollow = write_hollow(write_bundle(tmp_path / "bundle"), tmp_path / "hollow")
    session = open_hollow(hollow)
    tokens = added_cpu.tokens_of(hollow, 2)
    outputs = session.run(*added_cpu.pad(tokens, 0))
    outputs.check(session.tasks, 2, has_scope=False)


def test_a_bound_is_shown_in_its_unit() -> None:
    row = added_cpu._row(Figure("a refusal", 151.0, Bound(high=150.0), "µs"))
    assert row == ("a refusal", "151.0 µs", "at most 150 µs", "NO")
