"""Verdicts on runs whose answers are made: what is found, what is not, and what is refused."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

from tests.training.compare.made import said, write_baselines, write_run
from training.compare.answers import Answers, answers, read_finished
from training.compare.comparison import Comparison, Sides, compare, judged
from training.compare.console import comparison_table, sentence
from training.compare.paired import paired
from training.errors import TrainingError


def toy(seed: int, tickets: int, shares: Sequence[float], seeds: int = 1) -> tuple[Answers, ...]:
    """For each share of right answers, a recipe's answers to the same tickets."""
    chance = np.random.default_rng(seed)
    truth_N, luck_N = chance.choice(3, tickets, p=[0.5, 0.3, 0.2]), chance.random(tickets)
    names = [f"t{number}" for number in range(tickets)]
    truth = dict(zip(names, map(str, truth_N), strict=True))
    return tuple(
        Answers(
            truth,
            {
                number: dict(
                    zip(names, map(str, said(chance, truth_N, luck_N, share)), strict=True)
                )
                for number in range(seeds)
            },
        )
        for share in shares
    )


def verdicts(seed: int, tickets: int, first: float, second: float, tasks: int = 1) -> list[str]:
    sides = []
    for task in range(tasks):
        one, other = toy(100 * seed + task, tickets, [first, second])
        found = paired(one, other, ("one", "other"), resamples=300)
        sides.append(Sides(f"task{task}", True, "single", one, other, found))
    return [row.verdict for row in judged(sides, margin=0.02)]


def test_of_equal_models_hardly_one_is_said_to_hurt() -> None:
    hurt = sum("hurts" in verdicts(seed, 400, 0.75, 0.75, tasks=2) for seed in range(100))
    assert hurt <= 5


def test_a_loss_of_five_points_is_found() -> None:
    found = [verdicts(seed, 3000, 0.70, 0.75)[0] for seed in range(20)]
    assert found == ["hurts"] * 20


def test_a_gain_of_five_points_is_found() -> None:
    assert verdicts(1, 3000, 0.80, 0.75) == ["helps"]


def test_the_number_of_tickets_that_is_named_settles_it() -> None:
    settled = 0
    for seed in range(10):
        one, other = toy(seed, 300, [0.73, 0.75])
        row = judged(
            [Sides("t", True, "single", one, other, paired(one, other, ("a", "b"), 300))], 0.02
        )[0]
        assert row.verdict == "inconclusive"
        assert row.needed is not None
        more = min(4 * row.needed, 40_000)
        settled += verdicts(seed, more, 0.73, 0.75) != ["inconclusive"]
    assert settled >= 8


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Path]:
    """A run of three tasks, and the directory of its baselines: `good` gains, `bad` and `aux_bad`
    lose.
    """
    chance = np.random.default_rng(5)
    tasks, tickets = ("good", "bad", "aux_bad"), 1500
    truth = {name: chance.integers(3, size=tickets) for name in tasks}
    luck = chance.random(tickets)
    shares = {"good": (0.9, 0.8), "bad": (0.7, 0.8), "aux_bad": (0.7, 0.8)}
    both = {name: [said(chance, truth[name], luck, s) for s in shares[name]] for name in tasks}
    truth["good"][:100] = -100
    run = write_run(tmp_path / "joint", truth, {name: both[name][0] for name in tasks})
    single = {
        name: [write_run(tmp_path / name, {name: truth[name]}, {name: both[name][1]})]
        for name in ("good", "bad")
    }
    # Alone, an auxiliary task is a primary one.
    alone = {"tasks": {"aux_bad": {"role": "primary"}}}
    single["aux_bad"] = [
        write_run(
            tmp_path / "aux_bad",
            {"aux_bad": truth["aux_bad"]},
            {"aux_bad": both["aux_bad"][1]},
            config=alone,
        )
    ]
    return run, write_baselines(tmp_path, single)


def test_each_task_has_its_verdict_and_only_a_primary_one_stops_the_ship(
    made: tuple[Path, Path],
) -> None:
    found = compare([made[0]], made[1], margin=0.02)
    assert {row.task: row.verdict for row in found.rows} == {
        "good": "helps",
        "bad": "hurts",
        "aux_bad": "hurts",
    }
    assert (found.hurt, found.status) == (("bad",), 3)
    assert found.rows[0].tickets == 1400
    assert "bad: hurts, -" in sentence(found.rows[1])
    assert comparison_table(found).row_count == 3


def test_the_scores_are_those_of_scikit_learn(made: tuple[Path, Path]) -> None:
    row = compare([made[0]], made[1], margin=0.02).rows[1]
    run = answers([read_finished(made[0])], "bad")
    truth, given = list(run.truth.values()), list(run.given[7].values())
    assert row.score == pytest.approx(f1_score(truth, given, average="macro"))
    assert row.difference == pytest.approx(row.score - row.other)


def test_where_no_primary_task_is_hurt_the_status_is_zero(made: tuple[Path, Path]) -> None:
    found = compare([made[0]], made[1], margin=0.02)
    spared = Comparison(found.margin, found.level, found.runs, (found.rows[0], found.rows[2]))
    assert (spared.hurt, spared.status) == ((), 0)


def test_folds_of_one_seed_are_put_together(tmp_path: Path) -> None:
    truth = {"t": [0, 1, 2, 0, 1, 2]}
    runs = []
    for fold in (0, 1):
        ids = [f"{fold}-{number}" for number in range(6)]
        config = {"data": {"fold": fold}}
        runs.append(write_run(tmp_path / str(fold), truth, truth, ids=ids, config=config))
    found = answers([read_finished(run) for run in runs], "t")
    assert len(found.truth) == len(found.given[7]) == 12


def test_other_test_tickets_are_refused(tmp_path: Path) -> None:
    truth = {"t": [0, 1, 2] * 4}
    run = write_run(tmp_path / "run", truth, truth)
    ids = [f"u{number}" for number in range(12)]
    single = write_run(tmp_path / "single", truth, truth, ids=ids)
    baselines = write_baselines(tmp_path, {"t": [single]})
    with pytest.raises(TrainingError, match="must be tested on the same tickets: 0 of 12"):
        compare([run], baselines, margin=0.02)


def test_other_labels_of_the_same_tickets_are_refused(tmp_path: Path) -> None:
    truth, moved = {"t": [0, 1, 2] * 4}, {"t": [1, 1, 2] * 4}
    run = write_run(tmp_path / "run", truth, truth)
    baselines = write_baselines(tmp_path, {"t": [write_run(tmp_path / "one", moved, moved)]})
    with pytest.raises(TrainingError, match="4 test tickets have other labels"):
        compare([run], baselines, margin=0.02)


def test_runs_that_are_no_seeds_of_one_recipe_are_refused(tmp_path: Path) -> None:
    truth = {"t": [0, 1, 2]}
    one = write_run(tmp_path / "one", truth, truth, seed=1)
    same = write_run(tmp_path / "same", truth, truth, seed=1)
    other = write_run(tmp_path / "other", truth, truth, seed=2, config={"epochs": 9})
    fewer = write_run(tmp_path / "fewer", {"t": [0, 1, -100]}, truth, seed=3)
    baselines = write_baselines(tmp_path, {"t": [one]})
    with pytest.raises(TrainingError, match=r"seed and data\.fold only, one and other"):
        compare([one, other], baselines, margin=0.02)
    with pytest.raises(TrainingError, match="3 test tickets are answered twice with seed 1"):
        compare([one, same], baselines, margin=0.02)
    with pytest.raises(TrainingError, match="seed 3 lacks 1 of 3"):
        compare([one, fewer], baselines, margin=0.02)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    truth = {"t": [0, 1, 2]}
    run = write_run(tmp_path / "run", truth, truth)
    with pytest.raises(TrainingError, match=r"no baselines\.json"):
        compare([run], tmp_path, margin=0.02)
    baselines = write_baselines(tmp_path, {"other": []})
    with pytest.raises(TrainingError, match="no single-task run of t"):
        compare([run], baselines, margin=0.02)
    with pytest.raises(TrainingError, match="has not come to its end"):
        compare([tmp_path], baselines, margin=0.02)
    with pytest.raises(TrainingError, match=r"margin must lie within 0 and 1.* found 2"):
        compare([run], write_baselines(tmp_path, {"t": [run]}), margin=2.0)
