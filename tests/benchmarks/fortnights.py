"""Simulated fortnights go in; how often the statistics of the shadow report are wrong, and how soon
they see a gain or a planted regression, comes out.

    python -m tests.benchmarks.fortnights [--runs 10000]

Everything is drawn from a fixed seed, so the table is the same on every machine. Exit status 1
where a bound is missed. Shapes: R runs, H looks.
"""

import sys
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from service.statistics.eprocess import Side, log_wealth
from tests.benchmarks import device, interval_coverage, planted, table
from tests.benchmarks.bounds import Figure, at_least, at_most

IntArray = NDArray[np.int64]

LABELS_A_DAY = 1000
DAYS = 14
MATURITY_DAYS = 3
"""A ticket counts once it is so old: `maturity_days` of a plan, by default."""
DISCORDANCE = 0.08
ALPHA = 0.05
CHUNK = 1000
"""Runs drawn at a time, for the memory's sake."""


@dataclass(frozen=True)
class Setting:
    """One truth, and the plan that is held against it: what promotes, at which error."""

    name: str
    gap: float
    margin: float = 0.0
    alpha: float = ALPHA


@dataclass(frozen=True)
class Shares:
    """promoted, rolled_back: shares of runs. naive: promoted where McNemar is read at each look.

    covered: shares in which the confidence sequence held the gap at every look. day: the median
    day of promotion over all runs, None where fewer than half were promoted.
    """

    promoted: float
    rolled_back: float
    naive: float
    covered: float
    day: float | None


NULLS = (
    Setting("gap 0, superiority", 0.0),
    Setting("gap -.01, non-inferiority at .01", -0.01, 0.01),
)
GAINS = (
    Setting("gap +.01, superiority", 0.01),
    Setting("gap +.01, superiority, error .05/3", 0.01, alpha=ALPHA / 3),
    Setting("gap 0, non-inferiority at .01", 0.0, 0.01),
)


def simulate(
    setting: Setting, runs: int, seed: int = 5, discordance: float = DISCORDANCE
) -> Shares:
    """So many fortnights, looked at every hour."""
    chance = np.random.default_rng(seed)
    parts = [
        _verdicts(setting, *_draw(chance, min(CHUNK, runs - start), setting.gap, discordance))
        for start in range(0, runs, CHUNK)
    ]
    first_R, back_R, naive_R, covered_R = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    promoted_R = np.isfinite(first_R)
    median = float(np.median(first_R))
    return Shares(
        float(promoted_R.mean()),
        float(back_R.mean()),
        float(naive_R.mean()),
        float(covered_R.mean()),
        median / 24 if np.isfinite(median) else None,
    )


def _draw(
    chance: np.random.Generator, runs: int, gap: float, discordance: float
) -> tuple[IntArray, IntArray, IntArray]:
    waiting, counting = MATURITY_DAYS * 24, (DAYS - MATURITY_DAYS) * 24
    hours = np.pad(np.diff(np.arange(counting + 1) * LABELS_A_DAY // 24), (waiting, 0))
    win, loss = (discordance + gap) / 2, (discordance - gap) / 2
    drawn_RH3 = chance.multinomial(hours, [win, loss, 1 - win - loss], size=(runs, len(hours)))
    wins_RH, losses_RH, ties_RH = np.moveaxis(drawn_RH3.cumsum(axis=1), 2, 0)
    return wins_RH, losses_RH, ties_RH


def _verdicts(
    setting: Setting, wins_RH: IntArray, losses_RH: IntArray, ties_RH: IntArray
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Of each run: the hour of promotion (inf for none), rolled back, naively promoted, covered."""

    def largest(margin: float, side: Side) -> NDArray[np.float64]:
        return log_wealth(wins_RH, losses_RH, ties_RH, margin, side).max(axis=1)

    path_RH = log_wealth(wins_RH, losses_RH, ties_RH, setting.margin)
    crossed_RH = path_RH >= -np.log(setting.alpha)
    hour_R = np.where(crossed_RH.any(axis=1), crossed_RH.argmax(axis=1) + 1.0, np.inf)
    back_R = largest(setting.margin, "worse") >= -np.log(setting.alpha)
    score_RH = (wins_RH - losses_RH) / np.sqrt(np.maximum(1, wins_RH + losses_RH))
    # The confidence sequence misses the true gap exactly where a wealth against it reaches 2/alpha.
    sides: tuple[Side, Side] = ("better", "worse")
    worst_R = np.max([largest(-setting.gap, side) for side in sides], axis=0)
    return hour_R, back_R, (score_RH > 1.96).any(axis=1), worst_R < -np.log(ALPHA / 2)


def errors(runs: int) -> list[Figure]:
    """Verdicts that are wrong where the truth stands on the boundary, however often one looks."""
    found = []
    for setting in NULLS:
        shares = simulate(setting, runs)
        found += [
            Figure(f"{setting.name}: promoted", shares.promoted, at_most(ALPHA)),
            Figure(f"{setting.name}: rolled back", shares.rolled_back, at_most(ALPHA)),
            Figure(f"{setting.name}: confidence sequence holds", shares.covered, at_least(0.95)),
        ]
        if setting.margin == 0.0:
            naive = f"{setting.name}: promoted by McNemar at p < .05, read hourly"
            found.append(Figure(naive, shares.naive))
    return found


def gains(runs: int) -> list[Figure]:
    """How many are promoted within the fortnight, and by which day half of them are."""
    found = []
    for position, setting in enumerate(GAINS):
        shares = simulate(setting, runs)
        bound = at_least(0.70) if position == 0 else None
        found.append(Figure(f"{setting.name}: promoted in {DAYS} days", shares.promoted, bound))
        found.append(Figure(f"{setting.name}: rolled back", shares.rolled_back, at_most(ALPHA)))
        if shares.day is not None:
            found.append(Figure(f"{setting.name}: median day", shares.day, unit="days"))
    return found


def main(runs: Annotated[int, typer.Option(help="Fortnights of each setting.")] = 10_000) -> None:
    """Prints the figures; exit status 1 where a bound is missed."""
    figures = [*errors(runs), *gains(runs), *interval_coverage.figures(), *planted.figures()]
    rows = [figure.row() for figure in figures]
    title = f"{runs:,} fortnights, {LABELS_A_DAY:,} labels a day, {DISCORDANCE:.0%} discordant"
    table.show(title, ("measure", "value", "bound", "holds"), rows, device.facts())
    sys.exit(not all(figure.holds for figure in figures))


if __name__ == "__main__":
    typer.run(main)
