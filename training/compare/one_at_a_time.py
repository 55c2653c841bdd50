"""A configuration and its tickets come in; a task set that grew one task at a time, and the task
that hurts, go out.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.baseline_runs import DESK, JOINT, Document, read_desk, run_baselines, single_runs
from training.compare.answers import read_finished
from training.compare.comparison import Row, judged, weigh
from training.conclude import REPORT
from training.config import RunConfig
from training.data.stream import StreamedDesk
from training.listener import Listener
from training.prepare import Desk
from training.single import restricted
from training.whole import run_whole

GROWN = "grown"


@dataclass(frozen=True)
class Step:
    """One task that was added. members: those before it. rows: `smaller` for each member, with the
    task against without it, and `single` for the task itself, in company against alone.
    """

    added: str
    members: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def hurt(self) -> tuple[str, ...]:
        """The primary tasks that the addition hurts; itself among them where company hurts it."""
        return tuple(row.task for row in self.rows if row.primary and row.verdict == "hurts")


@dataclass(frozen=True)
class Growth:
    """first: the task that the set began with. kept: those that hurt nobody, in config order."""

    first: str
    steps: tuple[Step, ...]
    kept: tuple[str, ...]

    @property
    def hurting(self) -> tuple[str, ...]:
        """The tasks whose addition hurts a primary task."""
        return tuple(step.added for step in self.steps if step.hurt)


def add_one_at_a_time(
    config: RunConfig, data: Path, out: Path, seeds: int, margin: float, listener: Listener
) -> Growth:
    """Trains every task alone, then adds one after another to the best, best first, and leaves out
    again whichever hurts a primary task.

    "Best" is the validation metric of the single-task runs; the verdicts are of the test split, the
    tasks of one step judged together. Every run has the same number of steps. With T tasks this
    trains 2T - 1 models a seed; a run that is finished is not run again. Raises TrainingError.
    """
    baselines = run_baselines(config, data, out, seeds, listener)
    alone, desk = single_runs(out, baselines), read_desk(config, data, out / DESK, listener)
    order = _best_first(alone)
    members: tuple[str, ...] = (order[0],)
    before = alone[order[0]]
    steps = []
    for added in order[1:]:
        together = tuple(name for name in config.tasks if name in {*members, added})
        runs = _train(config, together, desk, data, out, baselines["seeds"], listener)
        step = Step(added, members, _rows(runs, before, alone[added], members, added, margin))
        steps.append(step)
        listener.say(f"task {added} added to {', '.join(members)}: {_said(step)}")
        if not step.hurt:
            members, before = together, runs
    return Growth(order[0], tuple(steps), members)


def _best_first(alone: dict[str, list[Path]]) -> list[str]:
    reached = {
        task: float(np.mean([_validation(run) for run in runs])) for task, runs in alone.items()
    }
    return sorted(reached, key=lambda task: -reached[task])


def _validation(run: Path) -> float:
    report: Document = json.loads((run / REPORT).read_text(encoding="utf-8"))
    return float(report["validation_metric"])


def _train(
    config: RunConfig,
    tasks: tuple[str, ...],
    desk: Desk | StreamedDesk,
    data: Path,
    out: Path,
    seeds: Sequence[int],
    listener: Listener,
) -> list[Path]:
    labelled = desk.labelled([task for task in desk.tasks if task.name in tasks])
    only = restricted(config, tasks, labelled, desk.labelled(desk.tasks))
    # All of them together are the run that `baselines --joint` makes.
    whole = only == config
    place = out / JOINT if whole else out / GROWN / "+".join(tasks)
    runs = [place / f"seed-{seed}" for seed in seeds]
    for seed, run in zip(seeds, runs, strict=True):
        run_whole(only.model_copy(update={"seed": seed}), data, run, listener)
    return runs


def _rows(
    runs: list[Path],
    before: list[Path],
    alone: list[Path],
    members: tuple[str, ...],
    added: str,
    margin: float,
) -> tuple[Row, ...]:
    new, old = [read_finished(run) for run in runs], [read_finished(run) for run in before]
    single = [read_finished(run) for run in alone]
    sides = [weigh(new, old, task, "smaller") for task in members]
    return judged([*sides, weigh(new, single, added, "single")], margin)


def _said(step: Step) -> str:
    return f"hurts {', '.join(step.hurt)}, left out again" if step.hurt else "hurts nobody, stays"
