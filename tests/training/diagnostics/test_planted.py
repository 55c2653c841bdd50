"""Seeded toy runs: a planted antagonist is found, and tasks that are none are left in peace."""

from collections.abc import Callable

import pytest
import torch

from tests.training.diagnostics.toy import Seen, World, orthogonal, related, train

RUNS = 100
Planted = Callable[[torch.Generator], World]


def opposed(random: torch.Generator) -> World:
    """t2's labels are t0's inverted, and one head reads the shared features for all; t1 is like t0.

    Of its own head an inverted task only asks for another sign, which costs nobody anything: the
    conflict needs the same head.
    """
    likes_TD = related(random, 0.7)
    return World(torch.cat([likes_TD, likes_TD[:1]]), inverted=frozenset({2}), tied=True)


def torn(random: torch.Generator) -> World:
    """Two tasks with nothing in common must be answered by one head."""
    return World(orthogonal(2, random), tied=True)


def apart(random: torch.Generator) -> World:
    """Three tasks with nothing in common, and features enough for each."""
    return World(orthogonal(3, random))


def alike(random: torch.Generator) -> World:
    """Two tasks that ask for much the same."""
    return World(related(random, 0.7))


def mirrored(random: torch.Generator) -> World:
    """t1's labels are t0's inverted, and each has a head of its own."""
    direction_1D = orthogonal(1, random)
    return World(torch.cat([direction_1D, direction_1D]), inverted=frozenset({1}))


def runs(planted: Planted, count: int) -> list[Seen]:
    found = []
    for seed in range(count):
        random = torch.Generator().manual_seed(seed)
        found.append(train(planted(random), random))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("planted", "pair"), [(opposed, "t0|t2"), (torn, "t0|t1")])
def test_a_planted_antagonist_is_flagged_in_95_of_100_runs(planted: Planted, pair: str) -> None:
    assert sum(pair in seen.conflicts for seen in runs(planted, RUNS)) >= 95


@pytest.mark.slow
@pytest.mark.parametrize("planted", [apart, alike, mirrored])
def test_at_most_5_of_100_runs_without_an_antagonist_are_flagged(planted: Planted) -> None:
    assert sum(bool(seen.conflicts) for seen in runs(planted, RUNS)) <= 5


def test_an_antagonist_is_told_during_training_once() -> None:
    (seen,) = runs(opposed, 1)
    told = [alert.tasks for alert in seen.alerts if alert.kind == "conflict"]
    assert ("t0", "t2") in told
    assert len(told) == len(set(told))


def test_a_few_runs_without_an_antagonist_raise_no_alert() -> None:
    assert [seen.conflicts for seen in runs(apart, 2)] == [set(), set()]


def test_an_inverted_task_with_a_head_of_its_own_is_no_antagonist() -> None:
    (seen,) = runs(mirrored, 1)
    assert seen.verdicts["t0|t1"].word == "helpful"
