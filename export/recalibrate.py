"""A bundle and labelled tickets come in; a new bundle, calibrated on them, goes out, or nothing.

The network stays as it is: only scale and bias of each task, and what follows from them, change.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from export import promised
from export.asking import ask
from export.build import OFFSETS
from export.card.confidence import HEADING as MEASURED
from export.card.markdown import titled, with_section, without_section
from export.card.promises import automation
from export.card.recalibrated import Change, recalibrated
from export.errors import ExportError
from export.labelled import read_labelled, read_traffic
from export.listener import SILENT, Listener
from export.remake import Opened, changes, judged, remake, shows_scope
from export.sealing import beside, check_free, checked_version, place, write_text
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
from training.calibration.promises import Promises
from training.data.dataset import encode_rows
from training.data.table import Row
from training.predictions import Predictions

KEY = "recalibrated"
"""Under which the manifest's `metrics` say on what."""


@dataclass(frozen=True)
class Wanted:
    """What to recalibrate, and on what.

    tasks: names, empty for all; the others keep calibration and thresholds. promises: None for
    those that the bundle was made for. traffic: recent tickets, to whose label shares the labelled
    ones are brought. rejects: where to list the rows that were not taken.
    """

    labelled: Path
    tasks: tuple[str, ...] = ()
    promises: Promises | None = None
    traffic: Path | None = None
    rejects: Path | None = None


@dataclass(frozen=True)
class Recalibrated:
    """A bundle that is in its place. digest: its identity. variants: as its manifest has them."""

    version: str
    digest: str
    tasks: tuple[Task, ...]
    variants: tuple[Variant, ...]
    changes: tuple[Change, ...]
    shifts: tuple[Shift, ...]


@dataclass(frozen=True)
class _Plan:
    """What is settled before a graph runs."""

    old: Opened
    wanted: Wanted
    tasks: tuple[Task, ...]
    promises: Promises | None
    rows: tuple[Row, ...]
    traffic: tuple[Row, ...]
    version: str

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(task.name for task in self.tasks)

    @property
    def offsets(self) -> dict[str, Any]:
        """By task (C,), what undoes the class weights of training."""
        kept = self.old.manifest.metrics.get(OFFSETS, {})
        return {name: np.asarray(kept[name]) for name in self.names if name in kept}


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
    version: the old one, `+r` and the start of a digest of what it is made of, unless given. Raises
    ExportError, ContractError, ServiceError (a bundle that does not prove itself) and TrainingError
    (a file that cannot be used, a promise that cannot be shown); then nothing is written.
    """
    check_free(target)
    plan = _plan(Opened.read(bundle), wanted, version, listener)
    answers, shifts = _answers(plan, listener)
    with beside(target) as fresh:
        variants, done = _variants(plan, answers, fresh, listener)
        manifest = _manifest(plan, variants, answers, shifts)
        (fresh / MANIFEST).write_bytes(to_bytes(manifest))
        shutil.copyfile(bundle / TOKENIZER, fresh / TOKENIZER)
        write_text(fresh / CARD, _card(plan, variants, done, shifts))
        listener.stage("opening the bundle as the service does", 1)
        digest = place(fresh, target)
        listener.advance(1)
    return Recalibrated(plan.version, digest, manifest.tasks, variants, tuple(done), tuple(shifts))


def _plan(old: Opened, wanted: Wanted, version: str | None, listener: Listener) -> _Plan:
    tasks = _chosen(old.manifest, wanted.tasks)
    names = tuple(task.name for task in tasks)
    promises = wanted.promises or promised.kept(old.manifest, names)
    if promises is not None:
        promises.check(tasks)
    for name in _without_promise(old.manifest, names, promises):
        listener.say(f"task {name} loses its promise: every answer will be `human`")
    version = checked_version(version or _default_version(old.manifest, wanted, promises))
    rows = read_labelled(wanted.labelled, old.manifest, tasks, wanted.rejects, listener.say)
    traffic = read_traffic(wanted.traffic, listener.say) if wanted.traffic else ()
    return _Plan(old, wanted, tasks, promises, rows, traffic, version)


def _chosen(manifest: Manifest, names: Sequence[str]) -> tuple[Task, ...]:
    known = [task.name for task in manifest.tasks]
    if unknown := sorted(set(names) - set(known)):
        raise ExportError(f"the bundle has the tasks {', '.join(known)}, found {unknown[0]}")
    return tuple(task for task in manifest.tasks if not names or task.name in names)


def _without_promise(
    manifest: Manifest, names: Sequence[str], promises: Promises | None
) -> list[str]:
    before = {name for variant in manifest.variants for name in variant.thresholds}
    after = promises.tasks if promises else {}
    return [name for name in names if name in before and name not in after]


def _default_version(manifest: Manifest, wanted: Wanted, promises: Promises | None) -> str:
    """What is made of the same things has the same version."""
    made_of = [
        file_digest(wanted.labelled),
        promised.digest(promises) if promises else None,
        file_digest(wanted.traffic) if wanted.traffic else None,
        sorted(wanted.tasks),
    ]
    digest = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
    return f"{manifest.version.removesuffix('+card')}+r{digest[:8]}"


def _answers(plan: _Plan, listener: Listener) -> tuple[list[Predictions], list[Shift]]:
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
        found = ask(session, labelled, listener.advance)
        if plan.traffic and not answers:
            listener.stage("asking it about today's tickets", len(recent))
            today = ask(session, recent, listener.advance)
            labels, shifts = shifted(plan.tasks, found, today, plan.offsets)
        answers.append(replace(found, labels=labels))
    return answers, shifts


def _variants(
    plan: _Plan, answers: Sequence[Predictions], directory: Path, listener: Listener
) -> tuple[tuple[Variant, ...], list[Change]]:
    made, done = [], list[Change]()
    listener.stage("calibrating", len(answers))
    for variant, found in zip(plan.old.manifest.variants, answers, strict=True):
        shown = judged(variant, plan.tasks, found, plan.promises, plan.offsets)
        for note in shown.notes:
            listener.say(f"{variant.file}: {note}")
        if variant.scope is not None and not shows_scope(variant, found):
            listener.say(f"{variant.file}: the limit of the scope stays, for want of tickets")
        made.append(remake(plan.old, variant, found, shown, directory))
        done += changes(variant, plan.tasks, found, shown)
        listener.advance(1)
    return tuple(made), done


def _manifest(
    plan: _Plan,
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


def _card(
    plan: _Plan, variants: Sequence[Variant], done: Sequence[Change], shifts: Sequence[Shift]
) -> str:
    """The old card with new sections, less what `card` measured with the old calibration."""
    old, tasks = plan.old, plan.old.manifest.tasks
    card = titled((old.directory / CARD).read_text(encoding="utf-8"), plan.version)
    card = with_section(without_section(card, MEASURED), automation(tasks, variants))
    file = f"sha256:{file_digest(plan.wanted.labelled)}"
    others = [task.name for task in tasks if task.name not in plan.names]
    return with_section(card, recalibrated(old.digest, file, done, shifts, others))
