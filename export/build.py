"""A checkpoint directory comes in; a proven, sealed bundle goes out, or nothing at all."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from export import golden
from export.card import write_card
from export.errors import ExportError, TargetExists
from export.graph import build_graph
from export.parity import ParityReport, check_parity, total_texts
from service.bundles import open_bundle
from service.contract.bundle import (
    CARD,
    MANIFEST,
    TOKENIZER,
    Golden,
    Manifest,
    Variant,
    Version,
    seal,
    to_bytes,
)
from service.contract.ticket import TEXT_TEMPLATE_VERSION
from service.engine.session import Session
from service.errors import ServiceError
from service.settings import Settings
from training.checkpoint import Checkpoint, load

GRAPH, GOLDEN = "model.fp32.onnx", "golden.fp32.json"


@dataclass(frozen=True)
class Listener:
    """What a build tells whoever watches it: a stage begins with so many steps; steps are done."""

    stage: Callable[[str, int], None] = lambda _name, _steps: None
    advance: Callable[[int], None] = lambda _steps: None


@dataclass(frozen=True)
class Built:
    """A bundle that is in its place. digest: its identity. parity: what was measured."""

    version: str
    digest: str
    parity: ParityReport


def build(
    source: Path, target: Path, version: str | None = None, listener: Listener = Listener()
) -> Built:
    """Exports the checkpoint `source` as the bundle `target`; equal checkpoints give equal bytes.

    version: `ckpt-` and the start of the checkpoint's digest unless given. The bundle is written
    beside its place, proven by the code that will serve it, and moved there last. Raises
    ExportError, also where `target` exists, and TrainingError where the checkpoint is damaged.
    """
    if target.exists() or target.is_symlink():
        raise TargetExists(f"{target} exists, and a sealed bundle never changes: choose another")
    listener.stage("reading the checkpoint", 1)
    checkpoint = load(source)
    version = _checked(version or default_version(checkpoint))
    listener.advance(1)
    with _beside(target) as fresh:
        parity = _fill(fresh, checkpoint, version, listener)
        listener.stage("opening the bundle as the service does", 1)
        digest = seal(fresh)
        _prove(fresh)
        listener.advance(1)
        _move(fresh, target)
    return Built(version, digest, parity)


def default_version(checkpoint: Checkpoint) -> str:
    """A version that the checkpoint alone decides."""
    return "ckpt-" + checkpoint.digest.removeprefix("sha256:")[:12]


def _fill(
    directory: Path, checkpoint: Checkpoint, version: str, listener: Listener
) -> ParityReport:
    """Writes every file of the bundle but its digests, the gates passed."""
    listener.stage("exporting the graph", 1)
    tasks, tokenizer = checkpoint.tasks, checkpoint.tokenizer
    graph = build_graph(checkpoint.network, tasks, checkpoint.calibration, tokenizer.limit)
    (directory / GRAPH).write_bytes(graph)
    listener.advance(1)
    listener.stage("comparing graph and checkpoint", total_texts())
    # One thread: it adds in one order, so the golden answers are the same every time.
    session = Session.open(directory / GRAPH, tasks, "cpu", threads=1)
    parity = check_parity(checkpoint, session, listener.advance)
    manifest = _manifest(checkpoint, version, parity)
    answers: Golden = golden.make_golden(session, tokenizer)
    (directory / GOLDEN).write_bytes(to_bytes(answers))
    (directory / MANIFEST).write_bytes(to_bytes(manifest))
    _write_text(directory / TOKENIZER, tokenizer.to_json())
    _write_text(directory / CARD, write_card(checkpoint, version, parity))
    return parity


def _manifest(checkpoint: Checkpoint, version: str, parity: ParityReport) -> Manifest:
    facts = checkpoint.facts
    return Manifest(
        version=version,
        tasks=checkpoint.tasks,
        text_template=TEXT_TEMPLATE_VERSION,
        token_limit=checkpoint.tokenizer.limit,
        pad_id=checkpoint.tokenizer.pad_id,
        encoder=facts.encoder,
        data_fingerprint=facts.data_fingerprint,
        code_fingerprint=facts.code_fingerprint,
        metrics={**facts.metrics, "checkpoint": checkpoint.digest, "parity": parity.stable()},
        variants=(_variant(checkpoint),),
    )


def _variant(checkpoint: Checkpoint) -> Variant:
    return Variant(
        file=GRAPH,
        precision="fp32",
        layout="padded",
        providers=("cpu", "cuda"),
        calibration=checkpoint.calibration,
        quality=checkpoint.facts.quality,
        golden=GOLDEN,
        tolerance=golden.TOLERANCE,
    )


def _prove(directory: Path) -> None:
    # Constructed, not read: a `HARBOR_*` variable of the shell has no say in whether a bundle is
    # good.
    settings = Settings.model_construct(
        bundle=directory, provider="cpu", precision="fp32", sessions=1, threads=1
    )
    try:
        open_bundle(directory, settings)
    except ServiceError as error:
        raise ExportError(f"the service refuses the bundle: {error}") from error


def _move(fresh: Path, target: Path) -> None:
    try:
        fresh.rename(target)
    except OSError as error:
        if target.exists():
            raise TargetExists(f"{target} was made by another build meanwhile") from error
        raise


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """A fresh directory on the target's own file system; gone afterwards unless it was moved."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise ExportError(f"{target.parent} cannot hold a bundle: {error.strerror}") from error
    # mkdtemp keeps others out; the user that serves must be able to read.
    fresh.chmod(0o755)
    try:
        yield fresh
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _checked(version: str) -> str:
    try:
        return TypeAdapter(Version).validate_python(version)
    except ValidationError as error:
        raise ExportError(
            f"a version is 1 to 64 letters, digits and ._+-, found {version!r}"
        ) from error


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")
