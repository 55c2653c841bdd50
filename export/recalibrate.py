"""A bundle and labelled tickets come in; a new bundle, calibrated on them, goes out, or nothing.

The network stays as it is: only scale and bias of each task, and what follows from them, change.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from export import promised
from export.asking import ask
from export.card.confidence import HEADING as MEASURED
from export.card.left_out import HEADING as LEFT_OUT
from export.card.markdown import titled, with_section, without_section
from export.card.promises import automation
from export.card.recalibrated import Change, recalibrated
from export.listener import SILENT, Listener
from export.plan import Plan, Wanted, settle
from export.remake import Opened, changes, judged, remake
from export.sealing import beside, check_free, place, write_text
from export.traffic import Shift, shifted
from service.contract.bundle import (
    CARD,
    MANIFEST,
    TOKENIZER,
    Manifest,
    Variant,
    file_digest,
    to_bytes,
)
from service.contract.tasks import Task
from training.data.dataset import encode_rows
from training.predictions import Predictions

KEY = "recalibrated"
"""Under which the manifest's `metrics` say on what."""


@dataclass(frozen=True)
class Recalibrated:
    """A bundle that is in its place. digest: its identity. variants: as its manifest has them."""

    version: str
    digest: str
    tasks: tuple[Task, ...]
    variants: tuple[Variant, ...]
    changes: tuple[Change, ...]
    shifts: tuple[Shift, ...]


def recalibrate(
    bundle: Path,
    target: Path,
    wanted: Wanted,
    version: str | None = None,
    listener: Listener = SILENT,
) -> Recalibrated:
    """Writes the bundle `target` from `bundle`, which is left as it is; equal input gives equal
    bytes.

    Each graph answers the labelled tickets itself, and is calibrated and judged for itself.
    version: the one it was built with, `+r` and the start of a digest of what it is made of, unless
    given. Raises ExportError, ContractError, ServiceError (a bundle that does not prove itself) and
    TrainingError (a file that cannot be used, a promise that cannot be shown); then nothing is
    written.
    """
    check_free(target)
    plan = settle(Opened.read(bundle), wanted, version, listener)
    answers, shifts = _answers(plan, listener)
    with beside(target) as fresh:
        variants, done, notes = _variants(plan, answers, fresh, listener)
        manifest = _manifest(plan, variants, answers, shifts)
        (fresh / MANIFEST).write_bytes(to_bytes(manifest))
        shutil.copyfile(bundle / TOKENIZER, fresh / TOKENIZER)
        write_text(fresh / CARD, _card(plan, variants, _section(plan, done, shifts, notes)))
        listener.stage("opening the bundle as the service does", 1)
        digest = place(fresh, target, listener.say)
        listener.advance(1)
    return Recalibrated(plan.version, digest, manifest.tasks, variants, tuple(done), tuple(shifts))


def _answers(plan: Plan, listener: Listener) -> tuple[list[Predictions], list[Shift]]:
    """Each variant's answers to the labelled tickets, labels thinned to today's shares.

    The shares are the desk's and not a graph's: the first variant's answers decide for all.
    """
    old = plan.old
    labelled = encode_rows(plan.rows, plan.tasks, old.tokenizer)
    recent = encode_rows(plan.traffic, plan.tasks, old.tokenizer)
    answers: list[Predictions] = []
    labels, shifts = {task.name: labelled.labels(task.name) for task in plan.tasks}, list[Shift]()
    for variant in old.manifest.variants:
        session = old.session(variant)
        listener.stage(f"asking {variant.file}", len(labelled))
        found = ask(session, labelled, listener.advance, alone=variant.alone)
        if plan.traffic and not answers:
            listener.stage("asking it about today's tickets", len(recent))
            today = ask(session, recent, listener.advance, alone=variant.alone)
            labels, shifts = shifted(plan.tasks, found, today, plan.offsets)
        answers.append(replace(found, labels=labels))
    return answers, shifts


def _variants(
    plan: Plan, answers: Sequence[Predictions], directory: Path, listener: Listener
) -> tuple[tuple[Variant, ...], list[Change], list[str]]:
    """What is written of each variant, what changed, and what was left out, which is also said."""
    made, done, notes = [], list[Change](), list[str]()
    listener.stage("calibrating", len(answers))
    for variant, found in zip(plan.old.manifest.variants, answers, strict=True):
        whole = not plan.others
        shown = judged(variant, plan.tasks, found, plan.promises, plan.offsets, whole=whole)
        notes += [f"{variant.file}: {note}" for note in shown.notes]
        made.append(remake(plan.old, variant, shown, directory))
        done += changes(variant, plan.tasks, found, shown)
        listener.advance(1)
    for note in notes:
        listener.say(note)
    return tuple(made), done, notes


def _manifest(
    plan: Plan,
    variants: tuple[Variant, ...],
    answers: Sequence[Predictions],
    shifts: Sequence[Shift],
) -> Manifest:
    old, wanted = plan.old.manifest, plan.wanted
    origin: dict[str, Any] = {
        "from": plan.old.digest,
        "file": f"sha256:{file_digest(wanted.labelled)}",
        "tickets": {name: len(answers[0].labelled(name)[1]) for name in plan.names},
    }
    if wanted.traffic:
        origin["traffic"] = {
            "file": f"sha256:{file_digest(wanted.traffic)}",
            "shares": {one.task: {k: new for k, (_, new) in one.shares.items()} for one in shifts},
        }
    metrics = {**old.metrics, KEY: origin}
    asked = promised.merged(metrics.pop(promised.KEY, None), plan.promises, plan.names)
    if asked:
        metrics[promised.KEY] = asked
    return old.model_copy(
        update={"version": plan.version, "metrics": metrics, "variants": variants}
    )


def _card(plan: Plan, variants: Sequence[Variant], section: str) -> str:
    """The old card with new sections, less what was measured with the old calibration or is said
    of the old promises.
    """
    old = plan.old
    card = titled((old.directory / CARD).read_text(encoding="utf-8"), plan.version)
    card = with_section(without_section(card, MEASURED), automation(old.manifest.tasks, variants))
    if not plan.others:
        card = without_section(card, LEFT_OUT)
    return with_section(card, section)


def _section(
    plan: Plan, done: Sequence[Change], shifts: Sequence[Shift], notes: Sequence[str]
) -> str:
    file = f"sha256:{file_digest(plan.wanted.labelled)}"
    return recalibrated(plan.old.digest, file, done, shifts, plan.others, notes)
