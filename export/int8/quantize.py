"""A bundle and labelled tickets come in; a new bundle with a variant in whole numbers besides goes
out, or nothing.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from export import golden, promised
from export.asking import BUDGET_TOKENS, ask
from export.card.markdown import titled, with_section
from export.card.promises import automation
from export.card.quantized import quantized as section
from export.errors import QuantizationRefused
from export.initialisers import with_calibration
from export.int8.company import check_company
from export.int8.gates import Cost, Limits, check_agreement, weigh
from export.int8.layers import find_layers
from export.int8.ranges import measure
from export.int8.rewrite import quantized
from export.labelled import check_labels
from export.listener import SILENT, Listener
from export.plan import Plan, Wanted, settle
from export.remake import Opened, judged
from export.sealing import beside, check_free, place, write_text
from service.contract.bundle import (
    CARD,
    MANIFEST,
    SUMS,
    Manifest,
    Variant,
    file_digest,
    read_manifest,
    to_bytes,
)
from service.contract.tokens import pad
from service.engine.session import Session
from training.calibration.fit import probabilities
from training.calibration.judge import Judged, judge
from training.data.dataset import encode_rows
from training.data.table import Row
from training.predictions import Predictions

GRAPH, GOLDEN = "model.int8.onnx", "golden.int8.json"
DEFAULT = Limits()

KEY = "quantized"
"""Under which the manifest's `metrics` say on what, and what it cost."""

TOLERANCE = 0.1
"""Products of bytes are the same on every processor, float parts differ by some 1e-6. That tips a
few bytes by a step, which tips more in each layer after it: weights moved by 1e-6 of themselves
moved a probability of MiniLM's by 0.005 as a rule and by 0.085 at worst (800 answers)."""

_RANGED_EVERY, _RANGED_MOST = 4, 256
"""Tickets that set the ranges: every fourth, so many at most. The others judge."""


@dataclass(frozen=True)
class Quantized:
    """A bundle that is in its place. digest: its identity. costs: by task."""

    version: str
    digest: str
    variant: Variant
    costs: tuple[Cost, ...]


def quantize(
    bundle: Path,
    target: Path,
    wanted: Wanted,
    version: str | None = None,
    listener: Listener = SILENT,
    limits: Limits = DEFAULT,
) -> Quantized:
    """Writes the bundle `target`: `bundle` and an int8 variant of its fp32 graph; equal input gives
    equal bytes.

    The int8 graph answers the labelled tickets itself; calibration, thresholds, sets and limit of
    the scope are its own. A task that is not `wanted` keeps the calibration of float32 and promises
    nothing. version: the old one, `+q` and the start of a digest, unless given.
    Raises ExportError, QuantizationRefused where a gate fails, ContractError, ServiceError and
    TrainingError; then nothing is written.
    """
    check_free(target)
    source = _source(read_manifest(bundle))
    plan = settle(Opened.read(bundle), wanted, version, listener, mark="q")
    ranged, judging = _parted(plan)
    with beside(target) as fresh:
        _copy(bundle, fresh)
        graph = _graph(plan, source, ranged, listener)
        (fresh / GRAPH).write_bytes(graph)
        found, costs, notes = _judged(plan, source, judging, fresh / GRAPH, limits, listener)
        variant = _variant(plan, source, found, fresh)
        check_company(_session(plan, fresh / GRAPH), plan.old.tokenizer, judging)
        manifest = _manifest(plan, variant, costs, len(ranged))
        (fresh / MANIFEST).write_bytes(to_bytes(manifest))
        write_text(fresh / CARD, _card(plan, manifest, costs, len(ranged), notes))
        listener.stage("opening the bundle as the service does", 1)
        digest = place(fresh, target, listener.say)
        listener.advance(1)
    return Quantized(plan.version, digest, variant, costs)


def _source(manifest: Manifest) -> Variant:
    """The graph to quantise."""
    if any(variant.precision == "int8" for variant in manifest.variants):
        raise QuantizationRefused(f"bundle {manifest.version} has an int8 graph already")
    for variant in manifest.variants:
        if variant.precision == "fp32" and variant.layout == "padded":
            return variant
    raise QuantizationRefused(f"bundle {manifest.version} has no padded fp32 graph")


def _parted(plan: Plan) -> tuple[list[Row], list[Row]]:
    """Tickets that set the ranges, and those that judge. Raises LabelsRefused."""
    ranged = list(plan.rows[::_RANGED_EVERY][:_RANGED_MOST])
    taken = {row.id for row in ranged}
    judging = [row for row in plan.rows if row.id not in taken]
    for task in plan.tasks:
        counts = dict.fromkeys(task.labels, 0)
        for row in judging:
            if (label := row.labels.get(task.name)) in counts:
                counts[label] += 1
        check_labels(task, counts, f"less the {len(ranged)} tickets that set the ranges, ")
    return ranged, judging


def _copy(bundle: Path, directory: Path) -> None:
    for path in sorted(bundle.iterdir()):
        if path.name not in {MANIFEST, CARD, SUMS}:
            shutil.copyfile(path, directory / path.name)


def _graph(plan: Plan, source: Variant, rows: Sequence[Row], listener: Listener) -> bytes:
    listener.stage("measuring ranges", 1)
    model = onnx.load(plan.old.directory / source.file, load_external_data=False)
    tickets = encode_rows(rows, plan.tasks, plan.old.tokenizer)
    batches = [
        pad([tickets.tokens[place] for place in chosen], tickets.pad_id)
        for chosen in tickets.by_length(BUDGET_TOKENS)
    ]
    names = list(dict.fromkeys(layer.source for layer in find_layers(model)))
    made = quantized(model, measure(model, names, batches))
    listener.advance(1)
    return bytes(made.SerializeToString(deterministic=True))


def _judged(
    plan: Plan,
    source: Variant,
    rows: Sequence[Row],
    graph: Path,
    limits: Limits,
    listener: Listener,
) -> tuple[Judged, tuple[Cost, ...], tuple[str, ...]]:
    """What the int8 graph promises, what it costs, and what was left out, which is also said."""
    dataset = encode_rows(rows, plan.old.manifest.tasks, plan.old.tokenizer)
    listener.stage(f"asking {source.file}", len(dataset))
    before = ask(plan.old.session(source), dataset, listener.advance)
    listener.stage(f"asking {graph.name}", len(dataset))
    after = ask(_session(plan, graph), dataset, listener.advance)
    _check_others(plan, source, before, after, limits)
    known = judge(plan.tasks, before, None, plan.offsets)
    plain = judge(plan.tasks, after, None, plan.offsets)
    costs = weigh(plan.tasks, (before, known), (after, plain), limits)
    found = judged(source, plan.tasks, after, plan.promises, plan.offsets, whole=not plan.others)
    notes = tuple(f"{graph.name}: {note}" for note in found.notes)
    for note in notes:
        listener.say(note)
    return found, costs, notes


def _check_others(
    plan: Plan, source: Variant, before: Predictions, after: Predictions, limits: Limits
) -> None:
    """Of the tasks without labels here it can be said only whether tickets keep theirs."""
    for name in plan.others:
        old_N, new_N = (
            probabilities(found.logits[name], source.calibration[name]).argmax(axis=1)
            for found in (before, after)
        )
        check_agreement(name, float((old_N == new_N).mean()), limits)


def _session(plan: Plan, graph: Path) -> Session:
    return Session.open(graph, plan.old.manifest.tasks, "cpu", threads=1)


def _variant(plan: Plan, source: Variant, found: Judged, directory: Path) -> Variant:
    """Writes the calibrated graph and its golden answers."""
    graph = directory / GRAPH
    graph.write_bytes(with_calibration(graph.read_bytes(), dict(found.calibration)))
    answers = golden.make_golden(_session(plan, graph), plan.old.tokenizer)
    (directory / GOLDEN).write_bytes(to_bytes(answers))
    return Variant(
        file=GRAPH,
        precision="int8",
        layout=source.layout,
        providers=("cpu",),
        calibration={**source.calibration, **found.calibration},
        quality={**source.quality, **found.quality},
        thresholds=found.thresholds,
        sets=found.sets,
        scope=found.scope,
        golden=GOLDEN,
        tolerance=TOLERANCE,
    )


def _manifest(plan: Plan, variant: Variant, costs: Sequence[Cost], ranged: int) -> Manifest:
    old = plan.old.manifest
    origin: dict[str, Any] = {
        "from": plan.old.digest,
        "file": f"sha256:{file_digest(plan.wanted.labelled)}",
        "ranges": ranged,
        "tasks": {cost.task: cost.document() for cost in costs},
    }
    if plan.promises is not None:
        origin[promised.KEY] = promised.document(plan.promises)
    return old.model_copy(
        update={
            "version": plan.version,
            "metrics": {**old.metrics, KEY: origin},
            "variants": (*old.variants, variant),
        }
    )


def _card(
    plan: Plan, manifest: Manifest, costs: Sequence[Cost], ranged: int, notes: Sequence[str]
) -> str:
    card = titled((plan.old.directory / CARD).read_text(encoding="utf-8"), plan.version)
    card = with_section(card, automation(manifest.tasks, manifest.variants))
    return with_section(card, section(costs, ranged, plan.others, notes))
