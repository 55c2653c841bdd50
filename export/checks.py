"""A bundle comes in; each check here says what it found, or raises what is wrong."""

import json
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto

from export.errors import GraphError, ParityError, Skipped
from export.golden import answer
from export.graph import read_calibration
from export.initialisers import read_spread, spread_values
from export.parity import SCOPE_TOLERANCE, TOLERANCE, apart
from export.sessions import open_variant
from service.contract.bundle import (
    TOKENIZER,
    Golden,
    Manifest,
    Variant,
    check_digests,
    read_golden,
    read_manifest,
)
from service.contract.errors import BundleError
from service.contract.ticket import render
from service.contract.tokens import Tokenizer, pad
from service.engine.device import Device
from service.engine.session import SCOPE, Session, check_cuda
from service.errors import ProviderMissing
from service.proof import prove_golden, prove_graph, prove_text, scope_gap
from training.calibration.fit import probabilities


class Subject:
    """The bundle under test; each part is read when the first check needs it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._sessions: dict[tuple[str, Device], Session] = {}
        self._models: dict[str, ModelProto] = {}

    @cached_property
    def manifest(self) -> Manifest:
        """Raises BundleError."""
        return read_manifest(self.directory)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Raises TokenizerError."""
        return Tokenizer.from_file(self.directory / TOKENIZER, self.manifest.token_limit)

    def session(self, variant: Variant, provider: Device = "cpu") -> Session:
        """The variant's graph, opened as the service opens it; packed attention by its definition
        on the CPU. Raises InferenceFailed.
        """
        key = variant.file, provider
        if key not in self._sessions:
            graph = self.directory / variant.file
            self._sessions[key] = open_variant(graph, self.manifest.tasks, variant, provider)
        return self._sessions[key]

    def model(self, variant: Variant) -> ModelProto:
        """The variant's graph as data; `session` has shown that it loads."""
        if variant.file not in self._models:
            graph = self.directory / variant.file
            self._models[variant.file] = onnx.load(graph, load_external_data=False)
        return self._models[variant.file]

    def golden(self, variant: Variant) -> Golden:
        """Raises BundleError."""
        return read_golden(self.directory, variant)


def _digests(subject: Subject) -> str:
    return f"bundle {check_digests(subject.directory)}"


def _manifest(subject: Subject) -> str:
    manifest = subject.manifest
    tasks = ", ".join(f"{task.name} ({task.classes})" for task in manifest.tasks)
    files = ", ".join(variant.file for variant in manifest.variants)
    return f"version {manifest.version}; {tasks}; {files}"


def _text(subject: Subject) -> str:
    prove_text(subject.manifest)
    return f"template {subject.manifest.text_template}"


def _tokenizer(subject: Subject) -> str:
    manifest, tokenizer = subject.manifest, subject.tokenizer
    # From the file itself, which the tokenizer could read: it drops such settings without a word.
    settings = json.loads((subject.directory / TOKENIZER).read_bytes())
    if settings.get("padding") is not None or settings.get("truncation") is not None:
        raise BundleError(f"{TOKENIZER} brings padding or truncation settings of its own")
    if tokenizer.pad_id != manifest.pad_id:
        raise BundleError(f"it pads with {tokenizer.pad_id}, the manifest says {manifest.pad_id}")
    return f"{tokenizer.vocabulary_size} tokens, padding id {manifest.pad_id}"


def _graph(subject: Subject) -> str:
    for variant in subject.manifest.variants:
        prove_graph(subject.session(variant), subject.manifest, variant)
        weights = subject.model(variant).graph.initializer
        if any(tensor.external_data for tensor in weights):
            raise GraphError(f"{variant.file} keeps weights outside the file")
    return f"{len(subject.manifest.tasks)} tasks, with labels in the manifest's order"


def _calibration(subject: Subject) -> str:
    for variant in subject.manifest.variants:
        for task in subject.manifest.tasks:
            scale, bias = read_calibration(subject.model(variant), task.name)
            known = variant.calibration[task.name]
            spread = read_spread(subject.model(variant), task.name)
            same = scale == _float32(known.scale) and bias == _float32(known.bias)
            if not same or spread != spread_values(known):
                raise GraphError(f"{variant.file} calibrates {task.name} unlike the manifest")
    return "equal, value by value"


def _wiring(subject: Subject) -> str:
    worst = 0.0
    for variant in subject.manifest.variants:
        session, tickets = subject.session(variant), subject.golden(variant).tickets
        texts = [render(ticket.subject, ticket.body) for ticket in tickets]
        inputs = pad(subject.tokenizer.encode_batch(texts), subject.manifest.pad_id)
        logits, answers = session.logits(*inputs), session.run(*inputs).probabilities
        for name, known in variant.calibration.items():
            gap = np.abs(probabilities(logits[name], known) - answers[name]).max()
            worst = max(worst, _within(float(gap), TOLERANCE, f"{variant.file}, {name}"))
    return f"largest difference {worst:.1e}"


def _golden_cpu(subject: Subject) -> str:
    return _golden(subject, "cpu")


def _golden_cuda(subject: Subject) -> str:
    try:
        check_cuda()
    except ProviderMissing as missing:
        raise Skipped(f"no CUDA here: {missing}") from missing
    return _golden(subject, "cuda")


def _golden(subject: Subject, provider: Device) -> str:
    worst, count = 0.0, 0
    for variant in subject.manifest.variants:
        # On the CPU every graph is asked, one that is for CUDA alone by its definition.
        if provider == "cuda" and provider not in variant.providers:
            continue
        session, expected = subject.session(variant, provider), subject.golden(variant)
        count += len(expected.tickets)
        gap = prove_golden(session, subject.tokenizer, expected, subject.manifest, variant)
        worst = max(worst, gap)
    return f"{count} tickets, largest difference {worst:.1e}"


def _company(subject: Subject) -> str:
    worst = 0.0
    for variant in subject.manifest.variants:
        if variant.alone:
            continue
        session, tickets = subject.session(variant), subject.golden(variant).tickets
        # Whole numbers and halves may be rounded the other way by what float32 explains.
        allowed = TOLERANCE if variant.precision == "fp32" else variant.tolerance
        alone = answer(session, subject.tokenizer, tickets, batch_size=1)
        together = answer(session, subject.tokenizer, tickets, batch_size=len(tickets))
        for name, rows in alone.probabilities.items():
            gap = float(np.abs(rows - together.probabilities[name]).max())
            worst = max(worst, _within(gap, allowed, variant.file))
        if alone.scope_B is not None and together.scope_B is not None:
            share = apart(alone.scope_B, together.scope_B)
            limit = SCOPE_TOLERANCE if variant.precision == "fp32" else scope_gap(variant)
            _within(share, limit, f"{variant.file}, {SCOPE}")
    return f"largest difference {worst:.1e}"


def _float32(values: Sequence[float]) -> list[float]:
    """The values as the graph can hold them."""
    return [float(value) for value in np.asarray(values, dtype=np.float32)]


def _within(gap: float, allowed: float, where: str) -> float:
    # Turned round so that NaN fails, too.
    if not gap <= allowed:
        raise ParityError(f"{where}: differs by {gap:.1e}, allowed is {allowed:.0e}")
    return gap


CHECKS: tuple[tuple[str, str, Callable[[Subject], str]], ...] = (
    ("digests", "every file with SHA256SUMS", _digests),
    ("manifest", "manifest.json with its schema", _manifest),
    ("text", "the manifest's text template with this service's", _text),
    ("tokenizer", "tokenizer.json with the manifest; it must not pad or truncate", _tokenizer),
    ("graph", "inputs, outputs and metadata with the manifest", _graph),
    ("calibration", "scale, bias and spread in the graph with the manifest's", _calibration),
    ("wiring", "probabilities with the graph's own logits, calibrated here", _wiring),
    ("golden, CPU", "answers with those of the day of the export", _golden_cpu),
    ("golden, CUDA", "the same on the GPU", _golden_cuda),
    ("company", "each golden ticket alone with all of them in one batch", _company),
)
