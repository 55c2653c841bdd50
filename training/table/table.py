"""A reference recipe and a file of tickets come in; every way to train it, beside the single-task
models, goes out: a run at a time, to be gone on with.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.baseline_runs import BASELINES, run_baselines
from training.conclude import concluded
from training.config import RunConfig
from training.errors import ConfigError
from training.listener import Listener
from training.start import check_builds
from training.table.results import Line, line, write_results
from training.table.trial import keep_answers, run_trial
from training.table.variants import FACTORS, Factor, Variant, left_out, variants

ALONE, RUNS = "alone", "runs"


@dataclass(frozen=True)
class Wanted:
    """How much of a table. seeds: from the recipe's own on. folds: 1, or so many that their test
    splits make the whole. margin: a loss of macro-F1 that does not matter. minutes: start no run
    after so many; None for all.
    """

    seeds: int = 3
    folds: int = 1
    margin: float = 0.005
    factors: tuple[Factor, ...] = FACTORS
    minutes: float | None = None


@dataclass(frozen=True)
class Place:
    """Where the runs of one table lie."""

    out: Path

    def alone(self, fold: int) -> Path:
        """The single-task models of a fold."""
        return self.out / ALONE / f"fold-{fold}"

    def run(self, variant: Variant, seed: int, fold: int) -> Path:
        """One run of a variant."""
        name = variant.name.replace("=", "-")
        return self.out / RUNS / name / f"fold-{fold}" / f"seed-{seed}"


def make_table(
    config: RunConfig, data: Path, out: Path, wanted: Wanted, listener: Listener
) -> tuple[Line, ...]:
    """Trains what is missing, seed by seed and fold by fold, so that an early stop leaves every
    variant with as many runs as the next; writes OUT/table.json and table.md after each run.

    Raises TrainingError, ConfigError where the folds do not make the whole.
    """
    _check_folds(config, wanted.folds)
    place, every = Place(out), tuple(variants(config, wanted.factors))
    check_builds([variant.config for variant in every])
    for reason in left_out(config, wanted.factors):
        listener.say(f"left out: {reason}")
    began = time.monotonic()
    for seed, fold in _rounds(config, wanted):
        for variant in (None, *every):
            if wanted.minutes is not None and time.monotonic() - began > 60 * wanted.minutes:
                return lines(config, every, place, wanted)
            if variant is None:
                _train_alone(config, data, place, seed, fold, listener)
            elif variant.seeds is None or seed < config.seed + variant.seeds:
                directory = place.run(variant, seed, fold)
                listener.say(f"{variant.name}, seed {seed}, fold {fold}")
                run_trial(_at(variant.config, seed, fold), data, directory, listener)
                _write(config, data, every, place, wanted)
    return lines(config, every, place, wanted)


def lines(
    config: RunConfig, every: Sequence[Variant], place: Place, wanted: Wanted
) -> tuple[Line, ...]:
    """What is finished of each variant."""
    found = []
    for variant in every:
        seeds = min(wanted.seeds, variant.seeds or wanted.seeds)
        runs = {}
        for seed in range(config.seed, config.seed + seeds):
            some = [place.run(variant, seed, fold) for fold in range(wanted.folds)]
            # A seed counts when it has answered every test ticket, as the others have.
            if all(concluded(run) is not None for run in some):
                runs[seed] = some
        baselines = [place.alone(fold) for fold in range(wanted.folds)]
        asked = seeds * wanted.folds
        found.append(line(variant, runs, asked, baselines, wanted.margin))
    return tuple(found)


def _rounds(config: RunConfig, wanted: Wanted) -> Iterator[tuple[int, int]]:
    for seed in range(config.seed, config.seed + wanted.seeds):
        for fold in range(wanted.folds):
            yield seed, fold


def _at(config: RunConfig, seed: int, fold: int) -> RunConfig:
    data = config.data.model_copy(update={"fold": fold})
    return config.model_copy(update={"seed": seed, "data": data})


def _train_alone(
    config: RunConfig, data: Path, place: Place, seed: int, fold: int, listener: Listener
) -> None:
    """The single-task models of all seeds up to this one: those of earlier ones are found."""
    directory = place.alone(fold)
    first = _at(config, config.seed, fold)
    run_baselines(first, data, directory, seed - config.seed + 1, listener)
    for checkpoint in directory.glob("single/*/*/checkpoint"):
        keep_answers(checkpoint)


def _write(
    config: RunConfig, data: Path, every: Sequence[Variant], place: Place, wanted: Wanted
) -> None:
    about = {
        "data": data.name,
        "config": config.model_dump(mode="json"),
        "margin": wanted.margin,
        "left_out": list(left_out(config, wanted.factors)),
        "baselines": f"{ALONE}/fold-*/{BASELINES}",
    }
    write_results(place.out, lines(config, every, place, wanted), about)


def _check_folds(config: RunConfig, folds: int) -> None:
    if folds > 1 and abs(folds * config.data.test - 1.0) > 1e-6:
        raise ConfigError(f"{folds} folds need data.test {1 / folds:g}, found {config.data.test:g}")
