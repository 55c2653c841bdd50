"""A variant of a bundle and its answers to labelled tickets come in; the variant, calibrated anew,
goes out, its graph and golden answers written.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from export.card.recalibrated import Change
from export.golden import make_golden
from export.initialisers import with_calibration
from export.sessions import open_variant
from service.contract.bundle import (
    TOKENIZER,
    Calibration,
    Manifest,
    Variant,
    check_digests,
    read_golden,
    read_manifest,
    to_bytes,
)
from service.contract.promises import Scope
from service.contract.tasks import Task
from service.contract.tokens import Tokenizer
from service.engine.session import Session
from service.proof import prove_golden, prove_graph, prove_text
from service.statistics.calibration import debiased_calibration_error
from service.statistics.scores import negative_log_likelihood
from training.calibration.fit import probabilities
from training.calibration.judge import Judged, judge, scope_of
from training.calibration.promises import Promises
from training.predictions import Predictions

FloatArray = NDArray[np.floating]
_Value = TypeVar("_Value")
_STAYS = "the limit of the scope stays"


@dataclass(frozen=True)
class Opened:
    """A bundle that is there already, every file compared with its digest."""

    directory: Path
    digest: str
    manifest: Manifest
    tokenizer: Tokenizer

    @classmethod
    def read(cls, directory: Path) -> "Opened":
        """Raises ContractError, and BundleRefused for another text template."""
        digest = check_digests(directory)
        manifest = read_manifest(directory)
        prove_text(manifest)
        tokenizer = Tokenizer.from_file(directory / TOKENIZER, manifest.token_limit)
        return cls(directory, digest, manifest, tokenizer)

    def session(self, variant: Variant) -> Session:
        """A variant's graph, once it has answered here as on the day of its export.

        Raises BundleRefused, InferenceFailed.
        """
        session = self.run(self.directory / variant.file, variant)
        prove_graph(session, self.manifest, variant)
        answers = read_golden(self.directory, variant)
        prove_golden(session, self.tokenizer, answers, self.manifest, variant)
        return session

    def run(self, graph: Path, variant: Variant) -> Session:
        """A graph in place of the variant's, on the CPU, whose bundle is the same everywhere."""
        return open_variant(graph, self.manifest.tasks, variant, "cpu")


def judged(
    variant: Variant,
    tasks: tuple[Task, ...],
    answers: Predictions,
    promises: Promises | None,
    offsets: Mapping[str, FloatArray],
    *,
    whole: bool,
) -> Judged:
    """What the labelled tickets show of this variant, of those in its scope, old or new.

    whole: these are all tasks of the bundle. Raises PromiseRefused.
    """
    scope, note = _limit(variant.scope, answers, promises or Promises(), whole)
    found = judge(tasks, answers, promises, offsets, kept_scope=scope)
    return replace(found, notes=(*found.notes, *note))


def _limit(
    before: Scope | None, answers: Predictions, promises: Promises, whole: bool
) -> tuple[Scope | None, tuple[str, ...]]:
    """The limit of the scope, set anew where that is possible; why it stays where it is not."""
    if before is None:
        return None, ()
    if not whole:
        return before, (f"{_STAYS}: what the other tasks promise was shown with it",)
    found = scope_of(answers, promises, before.method)
    if isinstance(found, Scope):
        return found, ()
    return before, (f"{_STAYS}: {len(answers)} tickets are too few to set it anew",)


def remake(opened: Opened, variant: Variant, found: Judged, directory: Path) -> Variant:
    """Writes graph and golden answers into `directory`; tasks that were not judged stay."""
    graph = with_calibration(
        (opened.directory / variant.file).read_bytes(), dict(found.calibration)
    )
    (directory / variant.file).write_bytes(graph)
    session = opened.run(directory / variant.file, variant)
    answers = make_golden(session, opened.tokenizer)
    (directory / variant.golden).write_bytes(to_bytes(answers))
    return variant.model_copy(
        update={
            "calibration": {**variant.calibration, **found.calibration},
            "quality": {**variant.quality, **found.quality},
            "thresholds": {**_others(variant.thresholds, found), **found.thresholds},
            "sets": {**_others(variant.sets, found), **found.sets},
            "scope": found.scope,
        }
    )


def changes(
    variant: Variant, tasks: tuple[Task, ...], answers: Predictions, found: Judged
) -> list[Change]:
    """What became of each task's confidences."""
    return [
        Change(
            variant.file,
            task.name,
            found.calibration[task.name].method,
            _fit(variant.calibration[task.name], answers, task),
            found.quality[task.name],
        )
        for task in tasks
    ]


def _fit(calibration: Calibration, answers: Predictions, task: Task) -> dict[str, float]:
    logits_NC, labels_N = answers.labelled(task.name)
    probabilities_NC = probabilities(logits_NC, calibration)
    right_N = probabilities_NC.argmax(axis=1) == labels_N
    return {
        "nll": negative_log_likelihood(probabilities_NC, labels_N),
        "ece_debiased": debiased_calibration_error(probabilities_NC.max(axis=1), right_N),
    }


def _others(known: Mapping[str, _Value], found: Judged) -> dict[str, _Value]:
    return {task: value for task, value in known.items() if task not in found.calibration}
