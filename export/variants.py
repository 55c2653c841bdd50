"""A checkpoint and the fp32 variant of its bundle come in; the other variants that are asked for go
out, each proven against it, their graphs and golden answers written.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from export import golden
from export.asking import ask
from export.closeness import HALF, SAME, Closeness, Limits, compare
from export.errors import ExportError
from export.half import build_half_graph
from export.initialisers import with_calibration
from export.listener import Listener
from export.parity import batches, total_texts
from export.ragged.graph import build_packed_graph, build_ragged_graph
from export.sessions import open_variant
from service.contract.bundle import Variant, to_bytes
from service.contract.tokens import Tokens
from service.engine.device import Device
from service.engine.session import Session
from training.calibration.judge import Judged, judge
from training.calibration.promises import Promises
from training.checkpoint import Checkpoint
from training.data.dataset import Dataset

TOLERANCE_HALF = 5e-3
"""Of a golden answer in float16. A GPU rounds at other places than a CPU, which computes in float32
between roundings: as far apart as either is from float32."""

_BUDGET_TICKETS = 32


@dataclass(frozen=True)
class Kind:
    """A variant that can be asked for. build: makes its graph of a network."""

    precision: Literal["fp32", "fp16"]
    layout: Literal["padded", "ragged"]
    providers: tuple[Device, ...]
    build: Callable[..., bytes]
    limits: Limits
    tolerance: float

    @property
    def suffix(self) -> str:
        """Of its files' names."""
        return self.precision if self.layout == "padded" else f"{self.precision}.ragged"


KINDS: dict[str, Kind] = {
    "fp16": Kind("fp16", "padded", ("cpu", "cuda"), build_half_graph, HALF, TOLERANCE_HALF),
    "fp32-ragged": Kind("fp32", "ragged", ("cpu",), build_ragged_graph, SAME, golden.TOLERANCE),
    "fp16-ragged": Kind("fp16", "ragged", ("cuda",), build_packed_graph, HALF, TOLERANCE_HALF),
}


@dataclass(frozen=True)
class Source:
    """What variants are made from and held against.

    variant: the padded fp32 one, whose graph is in `directory`. tickets: of the calibration split,
    None where they were not given; promises: asked of them.
    """

    checkpoint: Checkpoint
    directory: Path
    variant: Variant
    tickets: Dataset | None = None
    promises: Promises | None = None


@dataclass(frozen=True)
class Added:
    """A variant that was made. notes: what was left out, and why."""

    variant: Variant
    closeness: Closeness
    notes: tuple[str, ...]

    @property
    def told(self) -> tuple[str, ...]:
        """The notes, each with the file that it is about."""
        return tuple(f"{self.variant.file}: {note}" for note in self.notes)

    def document(self) -> dict[str, object]:
        """For a manifest, which keeps it by file."""
        return self.closeness.stable()


def check_names(names: Sequence[str]) -> None:
    """Raises ExportError unless each is one of KINDS and stands once."""
    if unknown := sorted(set(names) - KINDS.keys()):
        raise ExportError(f"a variant is one of {', '.join(KINDS)}, found {unknown[0]}")
    if len(set(names)) < len(names):
        raise ExportError(f"a variant stands twice in {', '.join(names)}")


def add_variant(source: Source, name: str, listener: Listener) -> Added:
    """Writes graph and golden answers of one of KINDS into the source's directory.

    A graph in float32 answers as the source does and has its calibration and promises. One in
    float16 is calibrated and judged for itself on the tickets; without them it keeps the
    calibration of fp32 and promises nothing. Raises GraphError, ParityError, PromiseRefused.
    """
    kind, checkpoint = KINDS[name], source.checkpoint
    variant = _described(source.variant, kind)
    listener.stage(f"exporting {variant.file}", 1)
    graph = kind.build(
        checkpoint.network,
        checkpoint.tasks,
        checkpoint.calibration,
        checkpoint.tokenizer.limit,
        checkpoint.scope,
    )
    (source.directory / variant.file).write_bytes(graph)
    listener.advance(1)
    session = _session(source, variant)
    closeness = _compared(source, kind, session, variant, listener)
    notes: tuple[str, ...] = ()
    if kind.precision == "fp16":
        variant, notes = _judged(source, variant, session, listener)
        session = _session(source, variant)
    answers = golden.make_golden(session, checkpoint.tokenizer)
    (source.directory / variant.golden).write_bytes(to_bytes(answers))
    return Added(variant, closeness, notes)


def _described(known: Variant, kind: Kind) -> Variant:
    return known.model_copy(
        update={
            "file": f"model.{kind.suffix}.onnx",
            "golden": f"golden.{kind.suffix}.json",
            "precision": kind.precision,
            "layout": kind.layout,
            "providers": kind.providers,
            "tolerance": kind.tolerance,
        }
    )


def _session(source: Source, variant: Variant) -> Session:
    return open_variant(
        source.directory / variant.file, source.checkpoint.tasks, variant, provider="cpu"
    )


def _compared(
    source: Source, kind: Kind, session: Session, variant: Variant, listener: Listener
) -> Closeness:
    """On generated texts and, where there are any, the tickets of the calibration split."""
    tokenizer, tickets = source.checkpoint.tokenizer, source.tickets
    texts = total_texts() + (0 if tickets is None else len(tickets))
    listener.stage(f"comparing {variant.file} with {source.variant.file}", texts)
    closeness = Closeness(variant.file, kind.limits)
    known = _session(source, source.variant)
    every = [batches(tokenizer), *([] if tickets is None else [_batches(tickets)])]
    for some in every:
        compare(known, session, some, tokenizer.pad_id, closeness, listener.advance)
    return closeness


def _batches(tickets: Dataset) -> Iterator[Sequence[Tokens]]:
    """Of like length, so that what is compared is not padding."""
    for chosen in tickets.by_length():
        for start in range(0, len(chosen), _BUDGET_TICKETS):
            part = chosen[start : start + _BUDGET_TICKETS]
            yield [tickets.tokens[place] for place in part]


def _judged(
    source: Source, variant: Variant, session: Session, listener: Listener
) -> tuple[Variant, tuple[str, ...]]:
    """Calibrates the graph on its own answers and says what it promises."""
    if source.tickets is None:
        note = "it has the calibration of fp32, and promises nothing: no tickets were given"
        return variant.model_copy(update={"thresholds": {}, "sets": {}}), (note,)
    checkpoint = source.checkpoint
    listener.stage(f"asking {variant.file}", len(source.tickets))
    answers = ask(session, source.tickets, listener.advance)
    offsets = checkpoint.facts.offsets
    found = judge(
        checkpoint.tasks, answers, source.promises, offsets, checkpoint.facts.scope_method
    )
    path = source.directory / variant.file
    path.write_bytes(with_calibration(path.read_bytes(), found.calibration))
    return variant.model_copy(update=_judgement(found)), found.notes


def _judgement(found: Judged) -> dict[str, object]:
    return {
        "calibration": found.calibration,
        "quality": found.quality,
        "thresholds": found.thresholds,
        "sets": found.sets,
        "scope": found.scope,
    }
