"""The benchmark of confidences: its arithmetic on simulated tickets."""

import numpy as np
import pytest

from tests.benchmarks.confidence_trials import PROMISES, Held, Judged, trials
from tests.benchmarks.confidences import kept_row, measured, measured_rows, perfect, sets_row
from tests.training.calibration.simulated import QUEUE, simulate


def held(tickets: int = 900, sharper: float = 1.0) -> Held:
    """Calibrated where sharper is 1."""
    world = simulate(tickets, seed=4)
    logits = world.logits * sharper
    return Held("simulated", QUEUE, logits, world.labels, tickets // 2, np.zeros(3))


def test_an_overconfident_model_is_seen_to_be_repaired() -> None:
    found = measured(held(sharper=2.0))
    assert found.method == "temperature"
    assert found.after["nll"] < found.before["nll"]
    assert found.after["ece_debiased"] < found.before["ece_debiased"] / 2
    rows, wrong = measured_rows([held(sharper=2.0)])
    assert rows[0][:3] == ["simulated", "queue", "900"]
    assert not any("NLL" in one for one in wrong)


def test_a_perfect_model_has_an_error_that_shrinks_with_its_tickets() -> None:
    few, many = (
        perfect(simulate(tickets, seed=5).probabilities, 40).mean() for tickets in (300, 5000)
    )
    assert 0.0 < many < few / 2


def test_promises_and_sets_of_a_calibrated_model_hold_on_the_other_half() -> None:
    found = trials(held(), 6)
    assert (found.times, len(found.promises[4])) == (6, 6)
    for place, given in found.promises.items():
        row, wrong = kept_row(held(), PROMISES[place], given, found.times)
        assert row[3] == f"{len(given)} of 6"
        assert wrong == []
    for method, covered in found.sets.items():
        row, _ = sets_row(held(), method, covered)
        assert len(covered) == 6
        assert float(row[3].rstrip("%")) == pytest.approx(90, abs=4)


def test_a_promise_that_the_other_half_denies_is_a_fault() -> None:
    denied = [Judged(good=80, of=100, accepted=0.5)] * 3
    row, wrong = kept_row(held(), PROMISES[1], denied, 4)
    assert row[3:6] == ["3 of 4", "0.0%", "0.0%"]
    assert wrong == ["simulated queue, precision 0.95: kept in 0.0%"]


def test_a_task_without_sets_has_an_empty_line_of_the_same_width() -> None:
    full, _ = sets_row(held(), "lac", trials(held(), 2).sets["lac"])
    empty, wrong = sets_row(held(), "lac", [])
    assert (len(empty), wrong) == (len(full), [])
    assert len(kept_row(held(), PROMISES[0], [], 2)[0]) == 8
