"""A bundle is a sealed directory: its manifest, its golden answers and its digests are defined
and checked here.
"""

import hashlib
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from service.contract.errors import BundleError
from service.contract.promises import Scope, SetRule, Threshold
from service.contract.tasks import Task, TaskName

MANIFEST = "manifest.json"
TOKENIZER = "tokenizer.json"
CARD = "MODEL_CARD.md"
SUMS = "SHA256SUMS"

FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
Version = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$")]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]

_SUM = re.compile(r"(?P<digest>[0-9a-f]{64})  (?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)")
_Document = TypeVar("_Document", bound=BaseModel)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Calibration(_Frozen):
    """What the graph applies: softmax(logits * scale + bias) * (1 - spread) + spread / classes.

    scale, bias: of shape (classes,). spread: the share of tickets whose label looks drawn at
    random. A manifest leaves it out where it is 0, as those of an older Harbor do.
    """

    method: str
    scale: tuple[float, ...]
    bias: tuple[float, ...]
    spread: Annotated[float, Field(ge=0.0, lt=1.0, exclude_if=lambda share: share == 0.0)] = 0.0

    @model_validator(mode="after")
    def _same_length(self) -> Self:
        if len(self.scale) != len(self.bias):
            raise ValueError(f"scale has {len(self.scale)} values and bias {len(self.bias)}")
        return self


class Variant(_Frozen):
    """One graph of the bundle.

    quality: per task, measures on the test split, or cross-fitted on the tickets that it was
    recalibrated on (accuracy, macro_f1, ece ...).
    thresholds: of the tasks for which it makes a promise. sets: conformal ones, by task.
    scope: None where the graph gives no `scope_score`.
    tolerance: the largest difference of a probability from the golden file's that still counts as
    the same answer.
    alone: its answer to a ticket depends on the other tickets of a batch, so that each has to be
    run by itself.
    """

    file: FileName
    precision: Literal["fp32", "fp16", "int8"]
    layout: Literal["padded", "ragged"]
    providers: tuple[Literal["cpu", "cuda"], ...]
    calibration: dict[TaskName, Calibration]
    quality: dict[TaskName, dict[str, float]]
    thresholds: dict[TaskName, Threshold] = {}
    sets: dict[TaskName, tuple[SetRule, ...]] = {}
    scope: Scope | None = None
    golden: FileName
    tolerance: Annotated[float, Field(gt=0.0, lt=1.0)]
    alone: bool = False


class Manifest(_Frozen):
    """What the bundle is: its tasks, its text and tokens, its graphs, and where it came from."""

    schema_version: Literal[1] = 1
    version: Version
    tasks: Annotated[tuple[Task, ...], Field(min_length=1, max_length=32)]
    text_template: int
    token_limit: Annotated[int, Field(ge=8, le=8192)]
    pad_id: Annotated[int, Field(ge=0)]
    encoder: str
    data_fingerprint: str
    code_fingerprint: str
    metrics: dict[str, Any]
    variants: Annotated[tuple[Variant, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _tasks_and_variants_agree(self) -> Self:
        names = [task.name for task in self.tasks]
        if len(set(names)) != len(names):
            raise ValueError("a task stands twice in the manifest")
        for variant in self.variants:
            self._check_calibration(variant)
        return self

    def _check_calibration(self, variant: Variant) -> None:
        if set(variant.calibration) != {task.name for task in self.tasks}:
            raise ValueError(
                f"variant {variant.file} is not calibrated for exactly the bundle's tasks"
            )
        for task in self.tasks:
            found = len(variant.calibration[task.name].scale)
            if found != task.classes:
                raise ValueError(
                    f"task {task.name} has {task.classes} labels, its calibration {found} values"
                )
        self._check_promises(variant)

    def _check_promises(self, variant: Variant) -> None:
        labels = {task.name: task.labels for task in self.tasks}
        rules = [(name, set(rule.by_label)) for name, rule in variant.thresholds.items()]
        rules += [
            (name, set(rule.by_label)) for name, all_ in variant.sets.items() for rule in all_
        ]
        for name, named in rules:
            if name not in labels:
                raise ValueError(f"variant {variant.file} decides {name}, which is no task")
            if unknown := sorted(named - set(labels[name])):
                raise ValueError(f"task {name} has no label {unknown[0]}")
        for name, threshold in variant.thresholds.items():
            costs = threshold.costs
            if costs is not None and len(costs.matrix) != len(labels[name]):
                raise ValueError(
                    f"task {name} has {len(labels[name])} labels, its costs another number"
                )


class GoldenTicket(_Frozen):
    """A ticket with the probabilities, in label order, that a variant must give for each task.

    scope: the `scope_score` that it must give; None where the graph has none, or an older Harbor
    wrote the file.
    """

    subject: str
    body: str
    probabilities: dict[TaskName, tuple[Probability, ...]]
    scope: float | None = None


class Golden(_Frozen):
    """The tickets that prove a graph on the provider that will serve it."""

    tickets: Annotated[tuple[GoldenTicket, ...], Field(min_length=1)]


def to_bytes(document: BaseModel) -> bytes:
    """The document as indented UTF-8 JSON with a final line break: equal documents give equal
    bytes.
    """
    return (document.model_dump_json(indent=2) + "\n").encode()


def read_manifest(directory: Path) -> Manifest:
    """The manifest, validated. Raises BundleError."""
    return _read(Manifest, directory / MANIFEST)


def read_golden(directory: Path, variant: Variant) -> Golden:
    """A variant's golden tickets, validated. Raises BundleError."""
    return _read(Golden, directory / variant.golden)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def seal(directory: Path) -> str:
    """Writes SHA256SUMS over every other file and returns the bundle's digest. Raises
    BundleError.
    """
    lines = [f"{file_digest(directory / name)}  {name}\n" for name in _files(directory)]
    (directory / SUMS).write_text("".join(lines), encoding="utf-8")
    return bundle_digest(directory)


def bundle_digest(directory: Path) -> str:
    """The bundle's identity: `sha256:` and the SHA-256 of its SHA256SUMS. Raises BundleError."""
    try:
        return "sha256:" + file_digest(directory / SUMS)
    except OSError as error:
        raise BundleError(f"{directory.name} has no readable {SUMS}: {error.strerror}") from error


def check_digests(directory: Path) -> str:
    """Compares every file with SHA256SUMS; a changed, missing or added file is a fault.

    Returns the bundle's digest. Raises BundleError naming the file.
    """
    digest = bundle_digest(directory)
    expected = _read_sums(directory / SUMS)
    found = set(_files(directory))
    if missing := sorted(expected.keys() - found):
        raise BundleError(f"the bundle lacks {missing[0]}, which {SUMS} lists")
    if added := sorted(found - expected.keys()):
        raise BundleError(f"the bundle holds {added[0]}, which {SUMS} does not list")
    for name, wanted in expected.items():
        if file_digest(directory / name) != wanted:
            raise BundleError(f"{name} differs from its digest in {SUMS}")
    return digest


def _read(kind: type[_Document], path: Path) -> _Document:
    try:
        return kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BundleError(f"{path.name} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BundleError(f"{path.name} is not valid at '{where}': {first['msg']}") from error


def _files(directory: Path) -> list[str]:
    try:
        entries = sorted(directory.iterdir())
    except OSError as error:
        raise BundleError(f"{directory.name} cannot be listed: {error.strerror}") from error
    for entry in entries:
        if entry.is_symlink() or not entry.is_file():
            raise BundleError(f"a bundle holds plain files only, found {entry.name}")
    return [entry.name for entry in entries if entry.name != SUMS]


def _read_sums(path: Path) -> dict[str, str]:
    """File names and their digests. Strict, so that a single changed bit of this file is a fault
    too.
    """
    lines = path.read_bytes().decode("ascii", errors="replace").split("\n")
    if lines.pop() != "":
        raise BundleError(f"{SUMS} does not end with a line break")
    sums: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        match = _SUM.fullmatch(line)
        if match is None:
            raise BundleError(f"{SUMS} line {number} is not a digest and a file name")
        sums[match["name"]] = match["digest"]
    return sums
