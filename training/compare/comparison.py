"""Finished runs and their baselines come in; a verdict for each task goes out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from service.statistics.noninferiority import Judgement, Verdict, judge
from training.baseline_runs import read_baselines, single_runs
from training.compare.answers import (
    Answers,
    Finished,
    answers,
    check_one_recipe,
    read_finished,
)
from training.compare.paired import RESAMPLES, SAME_SHARE, Paired, paired
from training.errors import TrainingError

HURT = 3
"""The exit status that tells CI not to ship."""


Kind = Literal["single", "transfer", "old", "smaller"]


@dataclass(frozen=True)
class Row:
    """One task of the recipe against something else. Differences are the recipe's macro-F1 less the
    other's, as shares: 0.015 is 1.5 points.

    kind: what it is against: `single`, the models of that task alone; `transfer`, those that began
    from the task with the most labels; `old`, an older checkpoint; `smaller`, the task set before
    one was added. score, other: mean macro-F1 over seeds. low, high:
    the interval of the difference alone. p: adjusted for the number of tasks (Holm). needed,
    more_seeds, no_worse: see `service.statistics.noninferiority`. seeds: of either side.
    left_out: labelled test tickets that only one side had.
    """

    task: str
    primary: bool
    kind: Kind
    score: float
    other: float
    difference: float
    low: float
    high: float
    p: float
    verdict: Verdict
    no_worse: bool
    needed: int | None
    more_seeds: bool
    accuracy_difference: float
    accuracy_low: float
    accuracy_high: float
    tickets: int
    left_out: int
    seeds: tuple[int, int]


@dataclass(frozen=True)
class Comparison:
    """margin: the loss of macro-F1 that does not matter. runs: names of the compared runs.
    changes: what is different from an older checkpoint, a sentence each.
    """

    margin: float
    level: float
    runs: tuple[str, ...]
    rows: tuple[Row, ...]
    changes: tuple[str, ...] = ()

    @property
    def hurt(self) -> tuple[str, ...]:
        """The primary tasks that are hurt."""
        hurt = (row.task for row in self.rows if row.primary and row.verdict == "hurts")
        return tuple(dict.fromkeys(hurt))

    @property
    def status(self) -> int:
        """The exit status: HURT where a primary task is hurt, else 0."""
        return HURT if self.hurt else 0

    def document(self) -> dict[str, Any]:
        """As plain data, for the checkpoint and for comparison.json."""
        return {**asdict(self), "hurt": list(self.hurt)}


@dataclass(frozen=True)
class Sides:
    """What is to be judged of one task."""

    task: str
    primary: bool
    kind: Kind
    first: Answers
    second: Answers
    found: Paired


def compare(
    runs: Sequence[Path],
    baselines: Path | Sequence[Path],
    margin: float,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seeds: Collection[int] | None = None,
) -> Comparison:
    """Runs of one recipe against the single-task models of `run_baselines`, task by task, and
    against those that were transferred, where there are any.

    runs: one a seed, or one a seed and fold. baselines: the directory that holds baselines.json, or
    one a fold. margin: a loss of macro-F1 that does not matter, such as 0.02. seeds: of the
    single-task models that are to be read; None for all.

    Each difference is paired over the test tickets and counts the spread between seeds
    (`service.statistics.seeds`). Raises TrainingError where the two were not tested on the same
    tickets, or a task has no single-task model.
    """
    finished = [read_finished(run) for run in runs]
    check_one_recipe(finished)
    places = [baselines] if isinstance(baselines, Path) else baselines
    alone, transferred = _alone(places, seeds, "single"), _alone(places, seeds, "transfer")
    sides = []
    for task in finished[0].facts.tasks:
        if not alone.get(task.name):
            raise TrainingError(
                f"there is no single-task run of {task.name}; run `harbor-train baselines`"
            )
        others = [read_finished(one) for one in alone[task.name]]
        check_one_recipe(others)
        sides.append(weigh(finished, others, task.name, "single", resamples))
        if later := transferred.get(task.name):
            begun = [read_finished(one) for one in later]
            check_one_recipe(begun)
            sides.append(weigh(finished, begun, task.name, "transfer", resamples))
    names = tuple(run.name for run in finished)
    return Comparison(margin, level, names, judged(sides, margin, level))


def weigh(
    runs: Sequence[Finished],
    others: Sequence[Finished],
    task: str,
    kind: Kind,
    resamples: int = RESAMPLES,
    same_share: float = SAME_SHARE,
) -> Sides:
    """One task's answers of both, paired. same_share: see `paired`. Raises TrainingError."""
    first, second = answers(runs, task), answers(others, task)
    names = f"task {task}: {runs[0].name}", others[0].name
    role = next(one.role for one in runs[0].facts.tasks if one.name == task)
    found = paired(first, second, names, resamples, same_share=same_share)
    return Sides(task, role == "primary", kind, first, second, found)


def judged(sides: Sequence[Sides], margin: float, level: float = 0.95) -> tuple[Row, ...]:
    """The rows of differences that are judged together. Raises TrainingError."""
    if not 0.0 < margin < 1.0:
        raise TrainingError(f"the margin must lie within 0 and 1, such as 0.02, found {margin}")
    verdicts = judge([one.found.macro_f1 for one in sides], margin, level)
    return tuple(_row(one, verdict, level) for one, verdict in zip(sides, verdicts, strict=True))


def _row(one: Sides, verdict: Judgement, level: float) -> Row:
    accuracy = one.found.accuracy.interval(level)
    return Row(
        task=one.task,
        primary=one.primary,
        kind=one.kind,
        score=one.found.first,
        other=one.found.second,
        difference=one.found.macro_f1.estimate,
        low=verdict.interval.low,
        high=verdict.interval.high,
        p=verdict.p,
        verdict=verdict.verdict,
        no_worse=verdict.no_worse,
        needed=verdict.needed,
        more_seeds=verdict.more_seeds,
        accuracy_difference=one.found.accuracy.estimate,
        accuracy_low=accuracy.low,
        accuracy_high=accuracy.high,
        tickets=one.found.macro_f1.n,
        left_out=one.found.left_out,
        seeds=(len(one.first.given), len(one.second.given)),
    )


def _alone(
    baselines: Sequence[Path],
    seeds: Collection[int] | None,
    kind: Literal["single", "transfer"],
) -> Mapping[str, list[Path]]:
    wanted = None if seeds is None else {f"seed-{seed}" for seed in seeds}
    found: dict[str, list[Path]] = {}
    for directory in baselines:
        for task, runs in single_runs(directory, read_baselines(directory), kind).items():
            chosen = [run for run in runs if wanted is None or run.name in wanted]
            found.setdefault(task, []).extend(chosen)
    return found
