"""Runs and their predictions come in; how far confidences, promises and sets hold goes out.

Tickets that the network was not trained on, those of the calibration and of the test split, are
dealt at random for each resplit: one half calibrates and promises, the other judges. No model is
trained.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from scipy.special import softmax

from service.statistics.calibration import debiased_calibration_error
from service.statistics.intervals import clopper_pearson_low
from service.statistics.multiplicity import holm
from tests.benchmarks import device, table
from tests.benchmarks.confidence_trials import (
    COVERAGE,
    LEVEL,
    PROMISES,
    Covered,
    FloatArray,
    Held,
    Judged,
    fresh,
    read,
    trials,
)
from training.calibration.fit import probabilities
from training.calibration.measures import measures
from training.calibration.promises import TaskPromise
from training.calibration.selection import select

ENOUGH = 3_500
"""Below so many test tickets the cross-fitted probabilities of all are measured instead."""

BOUND = 0.015
"""Of the debiased ECE."""

MEASURED = ("run", "task", "n", "method", "ECE before", "ECE, debiased", "of a perfect model",
            "perfect ones within", "p, Holm", "NLL before", "NLL after",
            "accuracy at 80 %")  # fmt: skip
KEPT = ("run", "task", "promise", "given", "upper limit at target", "observed at target",
        "mean observed", "auto")  # fmt: skip
SETS = ("run", "task", "sets", "coverage", "by label", "least label", "most label",
        "labels in a set")  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """method: of the calibration. perfect_R: see `perfect`."""

    method: str
    before: dict[str, float]
    after: dict[str, float]
    perfect_R: FloatArray


def measured(held: Held) -> Measured:
    """Fitted on the calibration split and measured on the test split, or cross-fitted over both
    where the test split is small.
    """
    if held.test >= ENOUGH:
        early, late = slice(None, -held.test), slice(-held.test, None)
        chosen = select(held.logits_NC[early], held.labels_N[early], held.offset_C)
        probabilities_NC = probabilities(held.logits_NC[late], chosen.calibration)
        raw_NC, labels_N = held.logits_NC[late], held.labels_N[late]
    else:
        chosen = select(held.logits_NC, held.labels_N, held.offset_C)
        probabilities_NC, raw_NC, labels_N = chosen.probabilities_NC, held.logits_NC, held.labels_N
    return Measured(
        chosen.calibration.method,
        measures(held.task, softmax(raw_NC, axis=1), labels_N),
        measures(held.task, probabilities_NC, labels_N),
        perfect(probabilities_NC),
    )


def perfect(probabilities_NC: FloatArray, times: int = 200) -> FloatArray:
    """The debiased ECE if the confidences were right, again and again: what chance alone makes.

    probabilities_NC: (tickets, classes). Outcomes are drawn from the confidences, `times` times.
    """
    random, sure_N = np.random.default_rng(0), probabilities_NC.max(axis=1)
    drawn = (random.random(len(sure_N)) < sure_N for _ in range(times))
    return np.array([debiased_calibration_error(sure_N, right_N) for right_N in drawn])


def measured_rows(held: Sequence[Held]) -> tuple[list[list[str]], list[str]]:
    """The table's lines for the tasks of one run, and what misses its bound."""
    found = [measured(one) for one in held]
    adjusted = holm([one.after["ece_p"] for one in found])
    rows, wrong = [], []
    for of, one, p in zip(held, found, adjusted, strict=True):
        name, before, after = f"{of.run} {of.task.name}", one.before, one.after
        if after["ece_debiased"] > BOUND or p < 0.05:
            wrong.append(f"{name}: debiased ECE {after['ece_debiased']:.4f}, p {p:.3f}")
        if after["nll"] > before["nll"]:
            wrong.append(f"{name}: NLL {before['nll']:.4f} before, {after['nll']:.4f} after")
        interval = f"{after['ece_debiased']:.4f} [{after['ece_low']:.4f}, {after['ece_high']:.4f}]"
        figures = (before["nll"], after["nll"], after["accuracy_at_80"])
        cells = [f"{after['n']:.0f}", one.method, f"{before['ece_debiased']:.4f}", interval]
        chance = [f"{one.perfect_R.mean():.4f}", f"{np.mean(one.perfect_R <= BOUND):.0%}"]
        shown = [*cells, *chance, f"{p:.3f}", *(f"{value:.4f}" for value in figures)]
        rows.append([of.run, of.task.name, *shown])
    return rows, wrong


def kept_row(
    held: Held, promise: TaskPromise, given: Sequence[Judged], times: int
) -> tuple[list[str], list[str]]:
    """A line of the table, and what misses its bound.

    A promise that was not given cannot be broken, but only given ones are counted here: the
    stricter way to read the bound.
    """
    target = promise.precision or promise.coverage or 0.0
    kind = "precision" if promise.precision else "coverage"
    words = f"{kind} {target:g}" + (", by label" if promise.per_label else "")
    start = [held.run, held.task.name, words, f"{len(given)} of {times}"]
    tried = [one for one in given if one.of]
    if not tried:
        return [*start, *[""] * 4], []
    # The one-sided upper limit of level .95 is one less the lower limit of the wrong ones' share.
    upper = [1 - clopper_pearson_low(one.of - one.good, one.of, LEVEL) for one in tried]
    reached = float(np.mean([limit >= target for limit in upper]))
    observed = [one.good / one.of for one in tried]
    plain = float(np.mean([value >= target for value in observed]))
    figures = (reached, plain, np.mean(observed), np.mean([one.accepted for one in tried]))
    name = f"{held.run} {held.task.name}, {words}"
    wrong = [f"{name}: kept in {reached:.1%}"] if reached < 0.95 else []
    return [*start, *(f"{value:.1%}" for value in figures)], wrong


def sets_row(held: Held, method: str, covered: Sequence[Covered]) -> tuple[list[str], list[str]]:
    """A line of the table, and what misses its bound."""
    if not covered:
        return [held.run, held.task.name, method, *[""] * 5], []
    marginal = float(np.mean([one.marginal for one in covered]))
    by_label = float(np.mean([one.by_label for one in covered]))
    coverage_SC = np.array([one.coverage_C for one in covered])
    # The mean of a label that no resplit has enough tickets of would warn.
    means_c = np.nanmean(coverage_SC[:, ~np.isnan(coverage_SC).all(axis=0)], axis=0)
    size = float(np.mean([one.size for one in covered]))
    name = f"{held.run} {held.task.name}, {method} sets"
    wrong = []
    if abs(marginal - COVERAGE) > 0.02:
        wrong.append(f"{name}: cover {marginal:.1%}")
    if len(means_c) and np.abs(means_c - COVERAGE).max() > 0.05:
        wrong.append(f"{name}: labels are covered {means_c.min():.1%} to {means_c.max():.1%}")
    ends = [f"{means_c.min():.1%}", f"{means_c.max():.1%}"] if len(means_c) else ["", ""]
    cells = [f"{marginal:.1%}", f"{by_label:.1%}", *ends, f"{size:.2f}"]
    return [held.run, held.task.name, method, *cells], wrong


def main(
    run: Annotated[
        list[Path] | None, typer.Option(help="a run's directory; may be given more than once")
    ] = None,
    resplits: Annotated[int, typer.Option(min=2, help="how often the tickets are dealt")] = 200,
    desk: Annotated[
        Path | None, typer.Option(help="a run on the generated desk, to ask about fresh tickets")
    ] = None,
    tickets: Annotated[int, typer.Option(min=100, help="so many of them")] = 13_000,
) -> None:
    """Calibration, promises and sets on tickets not trained on; fails where a bound is missed."""
    runs = [read(path) for path in run or []] + ([] if desk is None else [fresh(desk, tickets)])
    first, kept, sets, faults = [], [], [], list[str]()
    for held in runs:
        rows, wrong = measured_rows(held)
        first += rows
        faults += wrong
        for one in held:
            found = trials(one, resplits)
            for place, given in found.promises.items():
                row, wrong = kept_row(one, PROMISES[place], given, resplits)
                kept.append(row)
                faults += wrong
            for method, covered in found.sets.items():
                row, wrong = sets_row(one, method, covered)
                sets.append(row)
                faults += wrong
    table.show("Calibrated", MEASURED, first, device.facts())
    table.show(f"Promises over {resplits} resplits", KEPT, kept, {})
    table.show(f"{COVERAGE:.0%} sets over {resplits} resplits", SETS, sets, {})
    print(*faults, sep="\n")
    sys.exit(bool(faults))


if __name__ == "__main__":
    typer.run(main)
