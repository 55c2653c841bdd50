"""A bundle's files come in, written beside their place; a proven, sealed bundle in its place goes
out, or nothing at all.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from export.errors import ExportError, TargetExists
from export.listener import SILENT
from export.sessions import open_variant
from service.contract.bundle import (
    TOKENIZER,
    Manifest,
    Variant,
    Version,
    read_golden,
    read_manifest,
    seal,
)
from service.contract.errors import ContractError
from service.contract.tokens import Tokenizer
from service.engine.device import Device
from service.engine.session import check_cuda
from service.errors import ProviderMissing, ServiceError
from service.opening import open_bundle
from service.proof import prove_golden, prove_graph
from service.settings import Settings


def check_free(target: Path) -> None:
    """Raises TargetExists where something is in the bundle's place."""
    if target.exists() or target.is_symlink():
        raise TargetExists(f"{target} exists, and a sealed bundle never changes: choose another")


def checked_version(version: str) -> str:
    """The version, if a manifest can hold it. Raises ExportError."""
    try:
        return TypeAdapter(Version).validate_python(version)
    except ValidationError as error:
        raise ExportError(
            f"a version is 1 to 64 letters, digits and ._+-, found {version!r}"
        ) from error


@contextmanager
def beside(target: Path) -> Iterator[Path]:
    """A fresh directory on the target's own file system; gone afterwards unless it was moved.

    Raises ExportError.
    """
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


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 with plain line breaks, the same on every machine."""
    path.write_text(text, encoding="utf-8", newline="\n")


def place(fresh: Path, target: Path, say: Callable[[str], None] = SILENT.say) -> str:
    """Seals the bundle, proves it by the code that will serve it, moves it; returns its digest.

    A variant for a device that is not here is proven by its definition on the CPU, which is said.
    Raises ExportError, TargetExists where another was faster.
    """
    digest = seal(fresh)
    manifest = read_manifest(fresh)
    for variant in manifest.variants:
        _prove(fresh, manifest, variant, say)
    _move(fresh, target)
    return digest


def _prove(
    directory: Path, manifest: Manifest, variant: Variant, say: Callable[[str], None]
) -> None:
    try:
        if "cpu" in variant.providers:
            _open(directory, variant, "cpu")
            how = "on the CPU"
        else:
            _prove_definition(directory, manifest, variant)
            how = "by its definition on the CPU"
        if variant.precision == "fp16":  # Made for a GPU, whose arithmetic it is.
            _prove_on_cuda(directory, variant, how, say)
    except (ServiceError, ContractError) as error:
        raise ExportError(f"the service refuses the bundle: {error}") from error


def _prove_on_cuda(directory: Path, variant: Variant, how: str, say: Callable[[str], None]) -> None:
    try:
        check_cuda()
    except ProviderMissing as missing:
        say(f"{variant.file} was proven {how}, not on CUDA: {missing}")
    else:
        _open(directory, variant, "cuda")


def _open(directory: Path, variant: Variant, provider: Device) -> None:
    # Constructed, not read: a `HARBOR_*` variable of the shell has no say in whether a bundle is
    # good.
    settings = Settings.model_construct(
        bundle=directory,
        provider=provider,
        precision=variant.precision,
        layout=variant.layout,
        sessions=1,
        threads=1,
    )
    open_bundle(directory, settings)


def _prove_definition(directory: Path, manifest: Manifest, variant: Variant) -> None:
    tokenizer = Tokenizer.from_file(directory / TOKENIZER, manifest.token_limit)
    session = open_variant(directory / variant.file, manifest.tasks, variant, "cpu")
    prove_graph(session, manifest, variant)
    prove_golden(session, tokenizer, read_golden(directory, variant), manifest, variant)


def _move(fresh: Path, target: Path) -> None:
    try:
        fresh.rename(target)
    except OSError as error:
        if target.exists():
            raise TargetExists(f"{target} was made by another build meanwhile") from error
        raise
