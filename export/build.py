"""A checkpoint directory comes in; a proven, sealed bundle goes out, or nothing at all."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from export import golden, promised
from export.card import write_card
from export.card.markdown import with_section
from export.card.variants import variants as section
from export.closeness import Closeness
from export.errors import ExportError, WrongCheckpoint
from export.graph import build_graph
from export.listener import SILENT, Listener
from export.parity import ParityReport, check_parity, total_texts
from export.read_again import calibration_tickets
from export.sealing import beside, check_free, checked_version, place, write_text
from export.variants import Added, Source, add_variant, check_names
from service.contract.bundle import (
    CARD,
    MANIFEST,
    TOKENIZER,
    Calibration,
    Golden,
    Manifest,
    Variant,
    to_bytes,
)
from service.contract.ticket import TEXT_TEMPLATE_VERSION
from service.engine.session import Session
from training.calibration.judge import Judged, judge
from training.calibration.promises import Promises
from training.checkpoint import Checkpoint, load

GRAPH, GOLDEN = "model.fp32.onnx", "golden.fp32.json"
OFFSETS = "offsets"
"""Under which the manifest's `metrics` keep what undoes the class weights of training."""
_CALIBRATION_GAP = 1e-3
"""Another version of scipy stops its search elsewhere, by some 1e-5 of a scale."""


VARIANTS = "variants"
"""Under which they keep, by file, what further variants were compared with the fp32 graph on."""


@dataclass(frozen=True)
class Extra:
    """What a bundle is to hold beside the padded fp32 graph.

    names: keys of `export.variants.KINDS`. tickets: the file that the checkpoint was trained on, so
    that a graph in float16 can be calibrated for itself.
    """

    names: tuple[str, ...] = ()
    tickets: Path | None = None


@dataclass(frozen=True)
class Built:
    """A bundle that is in its place. digest: its identity. parity: what was measured of the fp32
    graph, closeness: of every other one.
    """

    version: str
    digest: str
    parity: ParityReport
    closeness: tuple[Closeness, ...] = ()


def build(
    source: Path,
    target: Path,
    version: str | None = None,
    listener: Listener = SILENT,
    promises: Promises | None = None,
    extra: Extra = Extra(),
) -> Built:
    """Exports the checkpoint `source` as the bundle `target`; equal checkpoints give equal bytes.

    version: `ckpt-` and the start of the checkpoint's digest, with promises also `+p` and the start
    of theirs, with further variants `+v` and the start of a digest, unless given. promises: shown
    on the checkpoint's calibration split. The bundle is written beside its place, proven by the
    code that will serve it, and moved there last. Raises ExportError, also where `target` exists,
    and TrainingError where the checkpoint is damaged or a promise cannot be shown.
    """
    check_free(target)
    _check(extra)
    listener.stage("reading the checkpoint", 1)
    checkpoint = load(source)
    version = checked_version(version or default_version(checkpoint, promises, extra))
    judged = _judged(checkpoint, promises)
    notes = _told(judged.notes if judged else (), listener)
    variant = _variant(checkpoint, judged)
    tickets = calibration_tickets(checkpoint, extra.tickets) if extra.tickets else None
    listener.advance(1)
    with beside(target) as fresh:
        parity = _write_graph(fresh, checkpoint, listener)
        origin = Source(checkpoint, fresh, variant, tickets, promises)
        added = [add_variant(origin, name, listener) for name in extra.names]
        notes += _told((note for one in added for note in one.told), listener)
        manifest = _manifest(checkpoint, version, parity, promises, (variant, *_of(added)))
        if added:
            manifest.metrics[VARIANTS] = {one.variant.file: one.document() for one in added}
        card = write_card(checkpoint, version, parity, manifest.variants, notes)
        write_text(fresh / CARD, with_section(card, section(added)) if added else card)
        (fresh / MANIFEST).write_bytes(to_bytes(manifest))
        write_text(fresh / TOKENIZER, checkpoint.tokenizer.to_json())
        listener.stage("opening the bundle as the service does", 1)
        digest = place(fresh, target, listener.say)
        listener.advance(1)
    return Built(version, digest, parity, tuple(one.closeness for one in added))


def default_version(
    checkpoint: Checkpoint,
    promises: Promises | None,
    extra: Extra = Extra(),
) -> str:
    """A version that the checkpoint, the promises and the variants alone decide."""
    version = "ckpt-" + checkpoint.digest.removeprefix("sha256:")[:12]
    if promises is not None:
        version = f"{version}+p{promised.digest(promises)[:8]}"
    if not extra.names:
        return version
    made_of = json.dumps([extra.names, extra.tickets is not None])
    return f"{version}+v{hashlib.sha256(made_of.encode()).hexdigest()[:8]}"


def _check(extra: Extra) -> None:
    check_names(extra.names)
    if extra.tickets is not None and not any("fp16" in name for name in extra.names):
        raise ExportError("tickets calibrate a graph in fp16, and no such variant is asked for")


def _told(notes: Iterable[str], listener: Listener) -> tuple[str, ...]:
    """The notes, for the card, once the listener has heard them."""
    told = tuple(notes)
    for note in told:
        listener.say(note)
    return told


def _of(added: Sequence[Added]) -> list[Variant]:
    return [one.variant for one in added]


def _judged(checkpoint: Checkpoint, promises: Promises | None) -> Judged | None:
    """What the calibration split shows; None for a checkpoint of an older Harbor without it."""
    split = checkpoint.predictions.get("calibration")
    if split is None:
        if promises is not None:
            raise WrongCheckpoint(
                "a promise is shown on the predictions of the calibration split, and this "
                "checkpoint of an older Harbor holds none: train anew, or build without promises "
                "and recalibrate the bundle"
            )
        return None
    offsets = {task: np.array(values) for task, values in checkpoint.facts.offsets.items()}
    judged = judge(checkpoint.tasks, split, promises, offsets, checkpoint.facts.scope_method)
    _check_agreement(checkpoint, judged)
    return judged


def _check_agreement(checkpoint: Checkpoint, judged: Judged) -> None:
    """The thresholds hold for the calibration that the graph will have, and for no other."""
    for name, found in judged.calibration.items():
        known = checkpoint.calibration[name]
        apart = np.subtract(_numbers(found), _numbers(known))
        if found.method != known.method or np.abs(apart).max() > _CALIBRATION_GAP:
            raise WrongCheckpoint(
                f"task {name}: the checkpoint is calibrated by {known.method}, its calibration "
                f"split gives another one ({found.method}): train anew"
            )


def _numbers(calibration: Calibration) -> list[float]:
    return [*calibration.scale, *calibration.bias, calibration.spread]


def _write_graph(directory: Path, checkpoint: Checkpoint, listener: Listener) -> ParityReport:
    """Writes graph and golden answers, the gates passed."""
    listener.stage("exporting the graph", 1)
    tasks, tokenizer = checkpoint.tasks, checkpoint.tokenizer
    graph = build_graph(
        checkpoint.network, tasks, checkpoint.calibration, tokenizer.limit, checkpoint.scope
    )
    (directory / GRAPH).write_bytes(graph)
    listener.advance(1)
    listener.stage("comparing graph and checkpoint", total_texts())
    # One thread: it adds in one order, so the golden answers are the same every time.
    session = Session.open(directory / GRAPH, tasks, "cpu", threads=1)
    parity = check_parity(checkpoint, session, listener.advance)
    answers: Golden = golden.make_golden(session, tokenizer)
    (directory / GOLDEN).write_bytes(to_bytes(answers))
    return parity


def _manifest(
    checkpoint: Checkpoint,
    version: str,
    parity: ParityReport,
    promises: Promises | None,
    variants: tuple[Variant, ...],
) -> Manifest:
    facts = checkpoint.facts
    metrics: dict[str, Any] = {
        **facts.metrics,
        "checkpoint": checkpoint.digest,
        "parity": parity.stable(),
    }
    if promises is not None:
        metrics[promised.KEY] = promised.document(promises)
    if facts.offsets:
        metrics[OFFSETS] = facts.offsets
    return Manifest(
        version=version,
        tasks=checkpoint.tasks,
        text_template=TEXT_TEMPLATE_VERSION,
        token_limit=checkpoint.tokenizer.limit,
        pad_id=checkpoint.tokenizer.pad_id,
        encoder=facts.encoder,
        data_fingerprint=facts.data_fingerprint,
        code_fingerprint=facts.code_fingerprint,
        metrics=metrics,
        variants=variants,
    )


def _variant(checkpoint: Checkpoint, judged: Judged | None) -> Variant:
    return Variant(
        file=GRAPH,
        precision="fp32",
        layout="padded",
        providers=("cpu", "cuda"),
        calibration=checkpoint.calibration,
        quality=checkpoint.facts.quality,
        thresholds=dict(judged.thresholds) if judged else {},
        sets=dict(judged.sets) if judged else {},
        scope=judged.scope if judged else None,
        golden=GOLDEN,
        tolerance=golden.TOLERANCE,
    )
