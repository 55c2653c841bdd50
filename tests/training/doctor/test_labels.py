"""Are the labels enough, and is the test split large enough to show anything."""

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar

from service.contract.tasks import Task
from tests.training.audit.planted import amended, labelled, material, rows
from training.doctor import labels
from training.doctor.labels import detectable
from training.noise import TaskDoubts

TASK = Task(name="category", labels=("a", "b"))


def test_a_class_with_one_example_fails_by_name() -> None:
    tickets = amended(lambda place, row: labelled(row, category="b" if place == 5 else "a"))
    (found,) = labels.counts(material(tickets, (TASK,)))
    assert found.verdict == "fail"
    assert found.figure == "1"
    assert "the rarest, b, has 1 tickets" in found.said


def test_a_scarce_class_is_warned_of_and_a_frequent_one_passes() -> None:
    scarce = amended(lambda place, row: labelled(row, category="a" if place % 150 else "b"))
    even = amended(lambda place, row: labelled(row, category="ab"[place % 2]))
    assert labels.counts(material(scarce, (TASK,)))[0].verdict == "warn"
    (passed,) = labels.counts(material(even, (TASK,)))
    assert (passed.verdict, passed.remedy) == ("pass", "")


@pytest.mark.parametrize(("tickets", "discordant"), [(800, 0.1), (2000, 0.2), (400, 0.15)])
def test_mcnemars_test_finds_the_detectable_difference_four_times_in_five(
    tickets: int, discordant: float
) -> None:
    gap = detectable(tickets, discordant)
    better, worse = (discordant + gap) / 2, (discordant - gap) / 2
    chance = np.random.default_rng(0)
    drawn = chance.multinomial(tickets, [better, worse, 1 - discordant], 600)
    found = sum(
        mcnemar([[0, wins], [losses, 0]], exact=False, correction=False).pvalue < 0.05
        for wins, losses, _ in drawn
    )
    assert found / 600 == pytest.approx(0.8, abs=0.05)


def test_a_larger_test_split_shows_a_smaller_difference_and_a_tiny_one_none() -> None:
    found = [detectable(tickets) for tickets in (200, 800, 3200)]
    assert found == sorted(found, reverse=True)
    assert found[0] / found[2] == pytest.approx(4.0, rel=0.1)
    assert detectable(5) == 1.0


def test_only_primary_tasks_need_a_large_test_split() -> None:
    helper = Task(name="queue", labels=("web", "trust"), role="auxiliary")
    checks = labels.sizes(material(rows(), (TASK, helper)))
    assert [one.name for one in checks] == ["size of the test split: category"]
    assert checks[0].verdict == "fail"


def test_much_noise_is_warned_of_with_its_interval() -> None:
    (found,) = labels.noise([TaskDoubts("category", 1000, 150, ())])
    assert (found.verdict, found.figure) == ("warn", "15.0 %")
    assert "12.9 % to 17.3 %" in found.said
    assert labels.noise([TaskDoubts("category", 1000, 50, ())])[0].verdict == "pass"
