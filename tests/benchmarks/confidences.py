"""Runs and their predictions come in; how far confidences, promises and sets hold goes out.

Tickets that the network was not trained on, those of the calibration and of the test split, are
dealt anew for each resplit, label by label: one half calibrates and promises, the other judges.
No model is trained.

Shapes: N tickets, C classes of a task.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from scipy.special import softmax

from service.contract.promises import SetRule, Threshold
from service.contract.tasks import Task
from service.statistics.calibration import debiased_calibration_error
from service.statistics.choice import choose, confidences
from service.statistics.conformal import SCORES
from service.statistics.intervals import clopper_pearson
from service.statistics.multiplicity import holm
from tests.benchmarks import device, table
from tests.benchmarks.desk import SEED
from training.calibration.conformal import set_rules
from training.calibration.fit import METHODS, PRIOR, calibrated, fit
from training.calibration.measures import measures
from training.calibration.promises import TaskPromise
from training.calibration.selection import select, stratified
from training.calibration.thresholds import threshold
from training.checkpoint import Facts, load, load_facts
from training.conclude import CHECKPOINT
from training.data.dataset import encode_rows
from training.data.sample import generate
from training.errors import PromiseRefused
from training.evaluate import predict
from training.predictions import Predictions

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.int64]

ENOUGH = 3_500
"""Below so many test tickets the cross-fitted probabilities of all are measured instead."""

TARGETS = (0.9, 0.95, 0.97)
COVERAGE = 0.9
LEVEL = 0.95
MOST_CLASSWISE = 100
MEASURED = ("run", "task", "n", "method", "ECE, debiased", "of a perfect model", "p, Holm",
            "NLL before", "NLL after", "accuracy at 80 %")  # fmt: skip
KEPT = ("run", "task", "promise", "given", "kept", "at least the target", "precision", "coverage")
SETS = ("run", "task", "method", "coverage", "by label", "least label", "most label",
        "labels in a set")  # fmt: skip


@dataclass(frozen=True)
class Held:
    """One task's tickets that nothing was trained on; the last `test` of them are the test split's.

    offset_C: undoes the class weights of the training.
    """

    run: str
    task: Task
    logits_NC: FloatArray
    labels_N: IntArray
    test: int
    offset_C: FloatArray

    def half(self, chosen_N: IntArray) -> tuple[FloatArray, IntArray]:
        """Logits and labels of some of them."""
        return self.logits_NC[chosen_N], self.labels_N[chosen_N]


def read(run: Path) -> list[Held]:
    """Every task of a run."""
    facts, splits = load_facts(run / CHECKPOINT)
    return [_held(run.parent.name, task, facts, splits) for task in facts.tasks]


def _held(run: str, task: Task, facts: Facts, splits: Mapping[str, Predictions]) -> Held:
    first, second = (splits[name].labelled(task.name) for name in ("calibration", "test"))
    logits_NC, labels_N = (np.concatenate(pair) for pair in zip(first, second, strict=True))
    offset_C = np.array(facts.offsets.get(task.name, [0.0] * task.classes))
    return Held(run, task, logits_NC, labels_N, len(second[1]), offset_C)


@dataclass(frozen=True)
class Measured:
    """method: of the calibration. floor: see `perfect`."""

    method: str
    before: dict[str, float]
    after: dict[str, float]
    floor: float


def measured(held: Held) -> Measured:
    """Fitted on the calibration split and measured on the test split, or cross-fitted over both
    where the test split is small.
    """
    if held.test >= ENOUGH:
        early, late = slice(None, -held.test), slice(-held.test, None)
        chosen = select(held.logits_NC[early], held.labels_N[early], held.offset_C)
        probabilities_NC = softmax(calibrated(held.logits_NC[late], chosen.calibration), axis=1)
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


@dataclass
class Resplits:
    """What came of many resplits of one task: by target the kept promises, by method the sets."""

    promises: dict[float, list["Judged"]]
    sets: dict[str, list["Covered"]]


@dataclass(frozen=True)
class Judged:
    """One promise on its test half; `given` is False where it was refused."""

    given: bool
    accepted: int = 0
    right: int = 0
    tickets: int = 0


@dataclass(frozen=True)
class Covered:
    """One set rule on its test half: by the marginal threshold, and by those of each label.

    coverage_C: by label, with its own threshold; NaN where it has too few calibration tickets.
    """

    marginal: float
    by_label: float
    coverage_C: FloatArray
    size: float


def resplit(held: Held, method: str, times: int) -> Resplits:
    """Deals the tickets `times` times. method: of calibration, as it was chosen once for all."""
    base = next(one for one in METHODS if method.removeprefix(f"{PRIOR}+") in (one, PRIOR))
    offset_C = held.offset_C if method.startswith(PRIOR) else None
    found = Resplits({target: [] for target in TARGETS}, {name: [] for name in SCORES})
    for seed in range(times):
        half_N = stratified(held.labels_N, 2, seed)
        first_N, second_N = np.flatnonzero(half_N == 0), np.flatnonzero(half_N == 1)
        calibration = fit(base, *held.half(first_N), offset_C)
        one, other = (
            softmax(calibrated(held.logits_NC[half], calibration), axis=1)
            for half in (first_N, second_N)
        )
        labels, truth = held.labels_N[first_N], held.labels_N[second_N]
        for target, judged in found.promises.items():
            judged.append(_promise(held.task, target, (one, labels), (other, truth)))
        try:
            rules = set_rules(held.task, one, labels, COVERAGE)
        except PromiseRefused:  # A label with a single ticket may stand on one side only.
            continue
        for rule in rules:
            enough_C = np.bincount(labels, minlength=held.task.classes) >= MOST_CLASSWISE
            found.sets[rule.method].append(_covered(held.task, rule, other, truth, enough_C))
    return found


def _promise(
    task: Task,
    target: float,
    given: tuple[FloatArray, IntArray],
    judged: tuple[FloatArray, IntArray],
) -> Judged:
    try:
        found = threshold(task, *given, TaskPromise(precision=target), LEVEL)
    except PromiseRefused:
        return Judged(given=False)
    return _kept(found, *judged)


def _kept(found: Threshold, probabilities_NC: FloatArray, labels_N: IntArray) -> Judged:
    chosen_N = choose(probabilities_NC, found.costs, found.choose)
    accepted_N = confidences(probabilities_NC, chosen_N) >= found.auto
    right = int((chosen_N == labels_N)[accepted_N].sum())
    return Judged(True, int(accepted_N.sum()), right, len(labels_N))


def _covered(
    task: Task, rule: SetRule, probabilities_NC: FloatArray, labels_N: IntArray, enough_C: IntArray
) -> Covered:
    scores_NC = SCORES[rule.method](probabilities_NC)
    own_C = [rule.by_label.get(label) for label in task.labels]
    by_label_C = np.array([np.inf if one is None else one for one in own_C])
    marginal = np.inf if rule.threshold is None else rule.threshold
    rows_N = np.arange(len(labels_N))
    inside_NC = scores_NC <= by_label_C + 1e-6
    within_N = inside_NC[rows_N, labels_N]
    coverage_C = np.full(task.classes, np.nan)
    for place in np.flatnonzero(enough_C):
        if (labels_N == place).any():
            coverage_C[place] = within_N[labels_N == place].mean()
    return Covered(
        float((scores_NC[rows_N, labels_N] <= marginal + 1e-6).mean()),
        float(within_N.mean()),
        coverage_C,
        float((scores_NC <= marginal + 1e-6).sum(axis=1).mean()),
    )


def kept_row(held: Held, target: float, judged: Sequence[Judged]) -> tuple[list[str], list[str]]:
    """A line of the table, and what misses its bound."""
    given = [one for one in judged if one.given and one.accepted]
    name = f"{held.run} {held.task.name}, precision {target:g}"
    if not given:
        return [held.run, held.task.name, f"{target:g}", f"0 of {len(judged)}", *[""] * 4], []
    upper = [clopper_pearson(one.right, one.accepted, LEVEL).high >= target for one in given]
    plain = [one.right / one.accepted >= target for one in given]
    precision = np.mean([one.right / one.accepted for one in given])
    coverage = np.mean([one.accepted / one.tickets for one in given])
    wrong = [f"{name}: kept in {np.mean(upper):.1%}"] if np.mean(upper) < 0.95 else []
    figures = (np.mean(upper), np.mean(plain), precision, coverage)
    cells = [f"{len(given)} of {len(judged)}", *(f"{value:.1%}" for value in figures)]
    return [held.run, held.task.name, f"{target:g}", *cells], wrong


def sets_row(held: Held, method: str, covered: Sequence[Covered]) -> tuple[list[str], list[str]]:
    """A line of the table, and what misses its bound."""
    if not covered:
        return [held.run, held.task.name, method, *[""] * 4], []
    marginal = float(np.mean([one.marginal for one in covered]))
    by_label = float(np.mean([one.by_label for one in covered]))
    # nanmean of a label that no resplit has enough tickets of would warn.
    coverage_SC = np.array([one.coverage_C for one in covered])
    usable_C = ~np.isnan(coverage_SC).all(axis=0)
    means_c = np.nanmean(coverage_SC[:, usable_C], axis=0)
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


def perfect(probabilities_NC: FloatArray, times: int = 200) -> float:
    """The mean debiased ECE if the confidences were right: what is left of the bias.

    Outcomes are drawn from the confidences themselves, `times` times.
    """
    random, sure_N = np.random.default_rng(0), probabilities_NC.max(axis=1)
    drawn = (random.random(len(sure_N)) < sure_N for _ in range(times))
    return float(np.mean([debiased_calibration_error(sure_N, right_N) for right_N in drawn]))


def measured_rows(held: Sequence[Held]) -> tuple[list[list[str]], list[str], list[str]]:
    """The table's lines, what misses its bound, and the method that was chosen for each task."""
    found = [measured(one) for one in held]
    adjusted = holm([one.after["ece_p"] for one in found])
    rows, wrong = [], []
    for of, one, p in zip(held, found, adjusted, strict=True):
        name, before, after = f"{of.run} {of.task.name}", one.before, one.after
        if after["ece_debiased"] > 0.015 or p < 0.05:
            wrong.append(f"{name}: debiased ECE {after['ece_debiased']:.4f}, p {p:.3f}")
        if after["nll"] > before["nll"]:
            wrong.append(f"{name}: NLL {before['nll']:.4f} before, {after['nll']:.4f} after")
        interval = f"{after['ece_debiased']:.4f} [{after['ece_low']:.4f}, {after['ece_high']:.4f}]"
        figures = (before["nll"], after["nll"], after["accuracy_at_80"])
        cells = [f"{after['n']:.0f}", one.method, interval, f"{one.floor:.4f}", f"{p:.3f}"]
        rows.append([of.run, of.task.name, *cells, *(f"{value:.4f}" for value in figures)])
    return rows, wrong, [one.method for one in found]


def fresh(run: Path, tickets: int) -> list[Held]:
    """The generated desk's tickets that no run has seen, asked of a run's own network: one half in
    the place of the calibration split, the other in that of the test split.
    """
    checkpoint = load(run / CHECKPOINT)
    dataset = encode_rows(generate(tickets, SEED), checkpoint.tasks, checkpoint.tokenizer)
    logits = predict(checkpoint.network, dataset, torch.device("cpu"))
    labels = {task.name: dataset.labels(task.name) for task in checkpoint.tasks}
    everything, even_N = Predictions(logits, labels), np.arange(tickets) % 2 == 0
    splits = {"calibration": everything.at(even_N), "test": everything.at(~even_N)}
    return [_held("fresh desk", task, checkpoint.facts, splits) for task in checkpoint.tasks]


def main(
    run: Annotated[list[Path], typer.Option(help="a run's directory; may be given more than once")],
    resplits: Annotated[int, typer.Option(min=2, help="how often the tickets are dealt")] = 200,
    desk: Annotated[
        Path | None, typer.Option(help="a run on the generated desk, to ask about fresh tickets")
    ] = None,
    tickets: Annotated[int, typer.Option(min=100, help="so many of them")] = 16_000,
) -> None:
    """Calibration, promises and sets on tickets not trained on; fails where a bound is missed."""
    faults: list[str] = []
    held = [one for path in run for one in read(path)]
    held += [] if desk is None else fresh(desk, tickets)
    calibrated_rows, wrong, methods = measured_rows(held)
    faults += wrong
    kept_rows, set_rows = [], []
    for one, method in zip(held, methods, strict=True):
        found = resplit(one, method, resplits)
        for target, judged in found.promises.items():
            line, wrong = kept_row(one, target, judged)
            kept_rows.append(line)
            faults += wrong
        for name, covered in found.sets.items():
            line, wrong = sets_row(one, name, covered)
            set_rows.append(line)
            faults += wrong
    table.show("Calibrated", MEASURED, calibrated_rows, device.facts())
    table.show(f"Promises over {resplits} resplits", KEPT, kept_rows, {})
    table.show(f"{COVERAGE:.0%} sets over {resplits} resplits", SETS, set_rows, {})
    print(*faults, sep="\n")
    sys.exit(bool(faults))


if __name__ == "__main__":
    typer.run(main)
