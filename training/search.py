"""A configuration, its tickets and a budget come in; the best settings that were found go out.

Only the validation split judges: a trial ends with its training, and nothing of it is ever asked
about the test split.
"""

import csv
import dataclasses
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from training.at_once import write_at_once
from training.config import RunConfig, dump_config
from training.errors import GradientError, LossError, TrainingError
from training.evaluate import Measures
from training.hold import hold
from training.listener import Listener
from training.prepare import ORIGIN
from training.run import train
from training.search_space import BALANCE, SAMPLING, TEMPERATURE, Choice, Range, Space
from training.whole import begin, discard_state

DATABASE, BEST_CONFIG, TRIALS, RUNS = "search.db", "best.yaml", "trials.csv", "trials"
STARTUP = 10
"""So many trials are drawn at random before the search learns from them."""
UNPRUNED = 5
"""So many trials go to their end before one is stopped early."""


@dataclass(frozen=True)
class Found:
    """trials: how many are done, whatever became of them. metric, config: of the best one."""

    trials: int
    metric: float
    config: RunConfig


class _Pruned(Exception):
    """After an epoch: the trial is below the median of those before it."""


class _Spent(Exception):
    """After an epoch: the time is over; the trial stays as it is, to be resumed."""


def search(
    config: RunConfig,
    data: Path,
    out: Path,
    trials: int,
    minutes: float | None,
    listener: Listener,
    clock: Callable[[], float] = time.monotonic,
) -> Found:
    """Looks for learning rates, weight decay, loss weights and sampling temperature: the
    tree-structured Parzen estimator (Bergstra et al. 2011, NeurIPS 24) of Optuna, with median
    pruning by epoch.

    trials: in all, over every call for this directory; the first is the configuration itself.
    minutes: of this call, looked at after each epoch; None for no limit. A trial's choices are a
    function of the seed, its number and the trials before it, and a trial that was killed is
    resumed: a search that was stopped finds what it would have found.

    Writes OUT/best.yaml, which `harbor-train run` takes, and OUT/trials.csv. Raises TrainingError,
    also where not one trial came to its end.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"{out} cannot hold a search: {error.strerror}") from error
    end = math.inf if minutes is None else clock() + 60.0 * minutes
    with hold(out), _opened(out, config) as study:
        work = _Search(Space(config), study, data, out, listener, lambda: clock() >= end)
        try:
            while work.done() < trials and clock() < end:
                work.trial()
        except _Spent:
            listener.say("the time is over; the same command goes on from here")
        work.write_trials()
        return work.write_best()


@dataclass(frozen=True)
class _Search:
    space: Space
    study: Any
    data: Path
    out: Path
    listener: Listener
    is_spent: Callable[[], bool]

    def done(self) -> int:
        """Trials that are over."""
        return sum(one.state.is_finished() for one in self._trials())

    def trial(self) -> None:
        """The trial that a kill left, or the next one."""
        trial = self._begun() or self._next()
        chosen = self._choose(trial)
        directory = self._directory(trial.number)
        self.listener.say(f"trial {trial.number}: {_said(chosen)}")
        begin(self.space.config_of(chosen), self.data, directory)
        try:
            metric = train(directory, self._watch(trial)).progress.best
        except _Pruned:
            self.study.tell(trial, state=TrialState.PRUNED)
        except (LossError, GradientError) as error:
            self.listener.say(f"trial {trial.number}: {error}")
            self.study.tell(trial, state=TrialState.FAIL)
        else:
            self.study.tell(trial, metric)
        self._check_data(directory)
        discard_state(directory)
        self.write_trials()

    def write_best(self) -> Found:
        """Writes best.yaml. Raises TrainingError where no trial came to its end."""
        if not any(one.state == TrialState.COMPLETE for one in self._trials()):
            raise TrainingError("no trial has come to its end; give the search more time or trials")
        best = self.study.best_trial
        config = self.space.config_of(best.params)
        write_at_once(self.out / BEST_CONFIG, dump_config(config))
        return Found(self.done(), float(best.value), config)

    def write_trials(self) -> None:
        """A line a trial: number, state, metric, epochs seen, and its choices."""
        every = self._trials()
        names = list(dict.fromkeys(name for one in every for name in one.params))
        fresh = (self.out / TRIALS).with_suffix(".tmp")
        with fresh.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(["trial", "state", "metric", "epochs", *names])
            for one in every:
                # A trial that was stopped early has the last epoch's figure, not its best.
                metric = one.value if one.state == TrialState.COMPLETE else ""
                head = [one.number, one.state.name.lower(), metric, len(one.intermediate_values)]
                writer.writerow([*head, *(one.params.get(name, "") for name in names)])
        os.replace(fresh, self.out / TRIALS)

    def _trials(self) -> list[Any]:
        return [one for one in self.study.get_trials(deepcopy=False) if _is_begun(one)]

    def _begun(self) -> Any:
        left = [one for one in self._trials() if not one.state.is_finished()]
        return optuna.trial.Trial(self.study, left[0]._trial_id) if left else None  # noqa: SLF001 - Optuna has no public way back to a trial

    def _next(self) -> Any:
        # The sampler's own random state is lost with the process: each trial gets its own seed.
        seed = (self.space.config.seed * 100_003 + len(self._trials())) % 2**31
        self.study.sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP)
        return self.study.ask()

    def _choose(self, trial: Any) -> dict[str, Choice]:
        """Asked again, a trial that was resumed gives what it gave before."""
        space = self.space
        chosen: dict[str, Choice] = {
            name: _number(trial, name, one) for name, one in space.rates.items()
        }
        if space.methods:
            chosen[BALANCE] = trial.suggest_categorical(BALANCE, space.methods)
        if chosen.get(BALANCE) == "manual":
            chosen |= {name: _number(trial, name, one) for name, one in space.weights.items()}
        if space.samplings:
            chosen[SAMPLING] = trial.suggest_categorical(SAMPLING, space.samplings)
        if chosen.get(SAMPLING) == "temperature":
            chosen[TEMPERATURE] = _number(trial, TEMPERATURE, space.temperature)
        return chosen

    def _watch(self, trial: Any) -> Listener:
        def on_epoch(epoch: int, measures: dict[str, Measures], metric: float) -> None:
            self.listener.epoch(epoch, measures, metric)
            trial.report(metric, epoch)
            if trial.should_prune():
                raise _Pruned
            # The last epoch is saved: what is left of the trial is to see that it is over.
            if self.is_spent() and epoch + 1 < self.space.config.epochs:
                raise _Spent

        return dataclasses.replace(self.listener, epoch=on_epoch)

    def _directory(self, number: int) -> Path:
        return self.out / RUNS / f"{number:04d}"

    def _check_data(self, directory: Path) -> None:
        """Every trial must have seen the same tickets. Raises TrainingError."""
        origin = json.loads((directory / ORIGIN).read_text(encoding="utf-8"))
        _remember(self.study, "tickets", origin.get("fingerprint"), "other tickets")


@contextmanager
def _opened(out: Path, config: RunConfig) -> Iterator[Any]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.RDBStorage(f"sqlite:///{out / DATABASE}")
    try:
        study = optuna.create_study(
            storage=storage,
            study_name="search",
            direction="maximize",
            load_if_exists=True,
            # The heads alone learn in a frozen epoch: it says little of what is to come.
            pruner=optuna.pruners.MedianPruner(UNPRUNED, n_warmup_steps=config.frozen_epochs),
        )
        _remember(study, "config", config.model_dump(mode="json"), "another configuration")
        if not study.get_trials(deepcopy=False):
            study.enqueue_trial(Space(config).own())
        yield study
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _remember(study: Any, key: str, value: Any, what: str) -> None:
    if study.user_attrs.get(key, value) != value:
        raise TrainingError(f"the search was begun with {what}; choose another --out")
    study.set_user_attr(key, value)


def _is_begun(trial: Any) -> bool:
    return bool(trial.state != TrialState.WAITING)


def _number(trial: Any, name: str, one: Range) -> float:
    return float(trial.suggest_float(name, one.low, one.high, log=one.logarithmic))


def _said(chosen: dict[str, Choice]) -> str:
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in chosen.items()
    )
