"""An opened graph and its manifest come in; a graph that is not what was exported is refused."""

import json
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from service.contract.bundle import Golden, GoldenTicket, Manifest, Variant
from service.contract.tasks import Task
from service.contract.ticket import TEXT_TEMPLATE_VERSION, render
from service.contract.tokens import Tokenizer, Tokens
from service.engine.answer import FloatArray
from service.engine.layout import lay_out
from service.engine.outputs import Outputs
from service.engine.runner import run
from service.engine.session import ENDS, IDS, MASK, OFFSETS, RAGGED, SCOPE, Session
from service.errors import BundleRefused, InferenceFailed

Signature = dict[str, tuple[str, tuple[int | str | None, ...]]]

_COMPANY = 8
"""Golden tickets are also asked in batches of this many: company must not change an answer."""

_SCOPE_GAP = 1e-3
"""By which share a scope score may differ from the golden one, and company may move it; it is a sum
of squares, not a probability."""


_SCOPE_GAP_INT8 = 0.1
"""The same where whole numbers tip the other way on another processor: 0.04 was measured."""

_SCOPE_GAP_FP16 = 0.05
"""The same where features are half floats, of eleven bits, and processors add them in other orders:
what the export's gate allows. On a GPU it has not been measured.
"""


def scope_gap(variant: Variant) -> float:
    """By which share of it a scope score of this variant may differ and still be the same."""
    gaps = {"fp32": _SCOPE_GAP, "fp16": _SCOPE_GAP_FP16, "int8": _SCOPE_GAP_INT8}
    return gaps[variant.precision]


def prove_text(manifest: Manifest) -> None:
    """Raises BundleRefused where the bundle was trained on another rendering of a ticket."""
    if manifest.text_template != TEXT_TEMPLATE_VERSION:
        raise BundleRefused(
            f"the bundle was trained on text template {manifest.text_template}, "
            f"this service renders {TEXT_TEMPLATE_VERSION}"
        )


def prove_graph(session: Session, manifest: Manifest, variant: Variant) -> None:
    """Compares the graph's inputs, outputs and metadata with the manifest. Raises BundleRefused."""
    for key, wanted in _metadata(manifest).items():
        found = session.metadata.get(key)
        if not _same(found, wanted):
            raise BundleRefused(f"{variant.file} says {key} is {found}, the manifest {wanted}")
    signature = session.signature()
    _prove_inputs(session, signature, variant)
    for task in manifest.tasks:
        for kind in ("probabilities", "logits"):
            _prove_output(signature, f"{task.name}_{kind}", task, variant)
    _prove_scope(signature, variant)


def prove_golden(
    session: Session, tokenizer: Tokenizer, golden: Golden, manifest: Manifest, variant: Variant
) -> float:
    """Asks every golden ticket, alone and in company, through the serving tokenizer and session;
    alone only where the variant is to be run so.

    Returns the largest difference of a probability. Raises BundleRefused where it exceeds the
    variant's tolerance, where a scope score is not the golden one or changes in company, or where
    the graph fails.
    """
    tokens = [tokenizer.encode(render(ticket.subject, ticket.body)) for ticket in golden.tickets]
    worst = 0.0
    scores: dict[int, list[float]] = {1: [], _COMPANY: []}
    for size in (1,) if variant.alone else (1, _COMPANY):
        starts = range(0, len(tokens), size)
        parts = [tokens[start : start + size] for start in starts]
        for start, outputs in zip(starts, _answers(session, parts, manifest, variant), strict=True):
            stop = start + size
            if outputs.scope_B is not None:
                scores[size] += outputs.scope_B.tolist()
            for row, ticket in enumerate(golden.tickets[start:stop]):
                answer = {name: rows[row] for name, rows in outputs.probabilities.items()}
                where = f"golden ticket {start + row} of {variant.golden}"
                worst = max(worst, _prove_ticket(answer, ticket, variant.tolerance, where))
    _prove_scores(golden, scores[1], scores[1 if variant.alone else _COMPANY], variant)
    return worst


def _answers(
    session: Session, parts: Sequence[Sequence[Tokens]], manifest: Manifest, variant: Variant
) -> Iterator[Outputs]:
    """Two at a time: a start need not wait for one core."""
    with ThreadPoolExecutor(2) as pool:
        yield from pool.map(lambda part: _run(session, part, manifest.pad_id, variant), parts)


def _prove_inputs(session: Session, signature: Signature, variant: Variant) -> None:
    names = RAGGED if variant.layout == "ragged" else (IDS, MASK)
    allowed = {*names, OFFSETS} if variant.layout == "ragged" else {*names}
    if not set(names) <= set(session.inputs) <= allowed:
        raise BundleRefused(
            f"{variant.file} must take {', '.join(names[:-1])} and {names[-1]}, "
            f"found {', '.join(session.inputs)}"
        )
    for name in session.inputs:
        wanted = "int32" if name in (ENDS, OFFSETS) else "int64"
        if (found := signature[name][0]) != f"tensor({wanted})":
            raise BundleRefused(f"{variant.file}: {name} must be {wanted}, found {found}")


def _prove_output(signature: Signature, name: str, task: Task, variant: Variant) -> None:
    if name not in signature:
        raise BundleRefused(f"{variant.file} has no output {name}")
    kind, shape = signature[name]
    # A free last dimension is allowed: the golden tickets then show its size.
    if kind != "tensor(float)" or len(shape) != 2 or shape[1] not in (task.classes, None):
        raise BundleRefused(
            f"{variant.file}: {name} must be float32 of (batch, {task.classes}), "
            f"found {kind} {shape}"
        )


def _prove_scope(signature: Signature, variant: Variant) -> None:
    """A graph may give a score without a threshold in the manifest; the reverse is refused."""
    if SCOPE not in signature:
        if variant.scope is not None:
            raise BundleRefused(f"{variant.file} has no output {SCOPE}, the manifest a threshold")
        return
    kind, shape = signature[SCOPE]
    if kind != "tensor(float)" or len(shape) != 1:
        raise BundleRefused(
            f"{variant.file}: {SCOPE} must be float32 of (batch,), found {kind} {shape}"
        )


def _prove_scores(
    golden: Golden, alone: list[float], together: list[float], variant: Variant
) -> None:
    """Each ticket's score, with the golden one where the file has it, and with that in company."""
    if not alone:
        if any(ticket.scope is not None for ticket in golden.tickets):
            raise BundleRefused(f"{variant.file} has no output {SCOPE}, {variant.golden} scores")
        return
    gap = scope_gap(variant)
    for number, ticket in enumerate(golden.tickets):
        where, found = f"golden ticket {number} of {variant.golden}: {SCOPE}", alone[number]
        if ticket.scope is not None and not _close(found, ticket.scope, gap):
            raise BundleRefused(f"{where} is {found:.4g}, must be {ticket.scope:.4g}")
        if not _close(found, together[number], gap):
            raise BundleRefused(f"{where} is {found:.4g} alone, {together[number]:.4g} in company")


def _close(one: float, other: float, gap: float) -> bool:
    return math.isclose(one, other, rel_tol=gap, abs_tol=gap)


def _metadata(manifest: Manifest) -> dict[str, str]:
    """What export writes into the graph itself, so that a graph of another bundle is told apart."""
    tasks = [{"name": task.name, "labels": list(task.labels)} for task in manifest.tasks]
    return {
        "harbor.schema": str(manifest.schema_version),
        "harbor.tasks": json.dumps(tasks),
        "harbor.text_template": str(manifest.text_template),
        "harbor.token_limit": str(manifest.token_limit),
    }


def _same(found: str | None, wanted: str) -> bool:
    """Compares as JSON: two writers may space or escape the same document differently."""
    if found is None:
        return False
    try:
        return bool(json.loads(found) == json.loads(wanted))
    except ValueError:
        return False


def _run(session: Session, tokens: Sequence[Tokens], pad_id: int, variant: Variant) -> Outputs:
    try:
        outputs = run(session, lay_out(tokens, variant.layout, pad_id))
        outputs.check(session.tasks, len(tokens), has_scope=session.has_scope)
    except InferenceFailed as error:
        raise BundleRefused(f"{variant.file} fails on its golden tickets: {error}") from error
    return outputs


def _prove_ticket(
    answer: dict[str, FloatArray], ticket: GoldenTicket, tolerance: float, where: str
) -> float:
    """The ticket's largest difference. Raises BundleRefused where it exceeds the tolerance."""
    if answer.keys() != ticket.probabilities.keys():
        raise BundleRefused(f"{where} does not answer exactly the bundle's tasks")
    worst = 0.0
    for name, wanted in ticket.probabilities.items():
        if answer[name].shape != (len(wanted),):
            raise BundleRefused(
                f"{where}: {name} has {len(wanted)} values, the graph another number"
            )
        gap = float(np.abs(answer[name] - np.asarray(wanted)).max())
        # Turned round so that NaN fails too.
        if not gap <= tolerance:
            raise BundleRefused(f"{where}: {name} differs by {gap:.2g}, allowed is {tolerance:.2g}")
        worst = max(worst, gap)
    return worst
