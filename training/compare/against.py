"""A comparison and an older checkpoint come in; the comparison goes out again with what changed
since, and with the new recipe against the old one.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import chi2_contingency

from training.compare.answers import Finished, check_one_recipe, read_finished
from training.compare.comparison import Comparison, judged, weigh
from training.compare.keep import comparison_rows
from training.compare.paired import RESAMPLES
from training.errors import TrainingError

_MOST_KEYS = 12
"""So many changed keys of the configuration are named."""


def against(
    comparison: Comparison, runs: Sequence[Path], old: Sequence[Path], resamples: int = RESAMPLES
) -> Comparison:
    """Adds rows of kind `old` for the tasks that both have, and the changes.

    runs: those of `comparison`. old: the older run directories, one a seed. The two are paired over
    the tickets that both tested and neither trained on; where there are none, a change says so. A
    primary task that is worse than before counts as hurt. Raises TrainingError.
    """
    new, before = [read_finished(run) for run in runs], [read_finished(run) for run in old]
    check_one_recipe(new)
    check_one_recipe(before)
    sides, changes = [], list(changed(before[0], new[0], comparison))
    for task in new[0].tasks:
        if task not in before[0].tasks:
            continue
        try:
            sides.append(weigh(new, before, task, "old", resamples, same_share=0.0))
        except TrainingError as error:
            changes.append(f"task {task} cannot be compared with the older one: {error}")
    rows = (*comparison.rows, *judged(sides, comparison.margin, comparison.level))
    return dataclasses.replace(comparison, rows=rows, changes=tuple(changes))


def changed(old: Finished, new: Finished, comparison: Comparison | None = None) -> Iterator[str]:
    """What is different, a sentence each: tasks, labels, tickets, label mix, settings, verdicts."""
    yield from _named("task", old.tasks, new.tasks)
    labels = {one.name: one.labels for one in old.facts.tasks}
    for task in new.facts.tasks:
        yield from _named(f"label of {task.name}", labels.get(task.name, task.labels), task.labels)
    if old.facts.data_fingerprint != new.facts.data_fingerprint:
        yield "the tickets, or the labels that were read, are not those of the older run"
        yield from _mix(old.facts.metrics, new.facts.metrics)
    yield from _settings(old, new)
    if comparison is not None:
        yield from _verdicts(old.facts.metrics, comparison)


def _named(what: str, old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    yield from (f"{what} added: {name}" for name in new if name not in old)
    yield from (f"{what} gone: {name}" for name in old if name not in new)


def _mix(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """The total variation distance between the training splits' label shares, and the chi-squared
    test that they are of one mix.
    """
    before, after = _counts(old), _counts(new)
    for task in [task for task in after if task in before]:
        labels = sorted({*before[task], *after[task]})
        table = np.array([[one[task].get(name, 0) for name in labels] for one in (before, after)])
        table = table[:, table.sum(axis=0) > 0]
        if min(table.sum(axis=1)) == 0 or table.shape[1] < 2:
            continue
        shares = table / table.sum(axis=1, keepdims=True)
        moved = float(abs(shares[0] - shares[1]).sum()) / 2
        p = float(chi2_contingency(table).pvalue)
        yield f"label mix of {task}: {100 * moved:.1f} % of the tickets moved (p = {p:.2g})"


def _counts(metrics: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    tasks = metrics.get("splits", {}).get("train", {}).get("tasks", {})
    return {
        name: {label: round(share * found["labelled"]) for label, share in found["labels"].items()}
        for name, found in tasks.items()
        if "labels" in found
    }


def _settings(old: Finished, new: Finished) -> Iterator[str]:
    before, after = (
        dict(_flat(one.config.model_dump(mode="json", exclude={"tasks", "seed"})))
        for one in (old, new)
    )
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    for key in keys[:_MOST_KEYS]:
        yield f"{key}: {before.get(key)} before, {after.get(key)} now"
    if len(keys) > _MOST_KEYS:
        yield f"{len(keys) - _MOST_KEYS} more settings changed"


def _flat(document: Mapping[str, Any], lead: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{lead}{key}.")
        else:
            yield lead + key, value


def _verdicts(old: Mapping[str, Any], comparison: Comparison) -> Iterator[str]:
    then = {row["task"]: row for row in comparison_rows(old.get("comparison", {}))}
    for row in comparison.rows:
        before = then.get(row.task)
        if before and before["kind"] == row.kind and before["verdict"] != row.verdict:
            yield f"verdict of {row.task}: {before['verdict']} before, {row.verdict} now"
