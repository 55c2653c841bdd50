"""A bundle and the checkpoint it was made from come in; a new version of the bundle goes out, whose
card says how far to trust a confidence.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.card.confidence import DIAGRAM, Answers, confidence
from export.card.diagram import diagram
from export.card.markdown import titled, with_section
from export.card.promises import automation
from export.errors import WrongCheckpoint
from export.recalibrate import KEY
from export.sealing import beside, check_free, checked_version, place, write_text
from service.contract.bundle import (
    CARD,
    MANIFEST,
    SUMS,
    Manifest,
    Variant,
    bundle_digest,
    check_digests,
    read_manifest,
    to_bytes,
)
from training.calibration.fit import probabilities
from training.calibration.judge import inside
from training.checkpoint import load_facts
from training.data.dataset import UNLABELLED
from training.predictions import Predictions

SUFFIX = "+card"
_REWRITTEN = frozenset({MANIFEST, CARD, DIAGRAM, SUMS})


@dataclass(frozen=True)
class Recarded:
    """A bundle that is in its place. digest: its identity."""

    version: str
    digest: str


def recard(bundle: Path, checkpoint: Path, target: Path, version: str | None = None) -> Recarded:
    """Writes the bundle `target`: `bundle` with a fuller card and its diagram, as a new version.

    Measured on the predictions of the checkpoint's test split with the bundle's own calibration.
    version: the old one and `+card` unless given. Raises WrongCheckpoint where the two do not
    belong together or there is nothing to measure, and ExportError, ContractError, CheckpointError.
    """
    check_free(target)
    check_digests(bundle)
    manifest = read_manifest(bundle)
    version = checked_version(version or manifest.version.removesuffix(SUFFIX) + SUFFIX)
    answers = _answers(manifest, _variant(manifest), _predictions(checkpoint, manifest))
    with beside(target) as fresh:
        for path in sorted(bundle.iterdir()):
            if path.name not in _REWRITTEN:
                shutil.copyfile(path, fresh / path.name)
        named = manifest.model_copy(update={"version": version})
        (fresh / MANIFEST).write_bytes(to_bytes(named))
        (fresh / DIAGRAM).write_bytes(diagram(answers))
        card = titled((bundle / CARD).read_text(encoding="utf-8"), version)
        card = with_section(card, automation(manifest.tasks, manifest.variants))
        card = with_section(card, confidence(answers, recalibrated=KEY in manifest.metrics))
        write_text(fresh / CARD, card)
        digest = place(fresh, target)
    return Recarded(version, digest)


def _predictions(checkpoint: Path, manifest: Manifest) -> Predictions:
    _, splits = load_facts(checkpoint)
    found = bundle_digest(checkpoint)
    if (known := manifest.metrics.get("checkpoint")) != found:
        raise WrongCheckpoint(
            f"bundle {manifest.version} was made from the checkpoint {known}, found {found}"
        )
    if "test" not in splits:
        raise WrongCheckpoint(
            "the checkpoint is one of an older Harbor and holds no predictions of its test split: "
            "train anew"
        )
    return splits["test"]


def _variant(manifest: Manifest) -> Variant:
    """The graph that was proven to answer as the checkpoint does."""
    for variant in manifest.variants:
        if variant.precision == "fp32" and variant.layout == "padded":
            return variant
    raise WrongCheckpoint(
        f"bundle {manifest.version} has no fp32 graph, and the checkpoint's predictions speak of "
        "no other"
    )


def _answers(manifest: Manifest, variant: Variant, test: Predictions) -> list[Answers]:
    """Of the tasks that have a labelled ticket in the test split."""
    found = []
    inside_N = _inside(variant, test)
    for task in manifest.tasks:
        logits_NC, labels_N = test.labelled(task.name)
        if len(labels_N):
            calibrated_NC = probabilities(logits_NC, variant.calibration[task.name])
            threshold = variant.thresholds.get(task.name)
            known_N = inside_N[test.labels[task.name] != UNLABELLED]
            found.append(Answers(task, calibrated_NC, labels_N, threshold, known_N))
    if not found:
        raise WrongCheckpoint("the checkpoint's test split has no labelled ticket")
    return found


def _inside(variant: Variant, test: Predictions) -> NDArray[np.bool_]:
    """Which tickets are in scope, as the service tells; without a score all."""
    if test.scope_N is None:
        return np.ones(len(test), dtype=bool)
    return inside(test.scope_N, variant.scope)
