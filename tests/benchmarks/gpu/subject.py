"""A bundle and a desk come in; what every part measures goes out, and what one tells another."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from service.contract.bundle import TOKENIZER, Manifest, Variant, read_manifest
from service.contract.tokens import Tokenizer, Tokens
from tests.benchmarks.gpu.sheet import NotMeasurable
from tests.benchmarks.http.desk import Desk
from tests.benchmarks.opened import name_of

Value = TypeVar("Value")


@dataclass(frozen=True)
class Raw:
    """A session's best throughput, and the tickets of a batch that gave it."""

    per_s: float
    batch: int


@dataclass
class Subject:
    """What is measured.

    raw, alone_s, paced: of each variant by name, once they are known: best throughput, seconds of a
    lone ticket (p50, tokenising included), throughput through the batcher. single: of the server.
    front_per_s: of one front.
    """

    bundle: Path
    manifest: Manifest
    tokenizer: Tokenizer
    desk: Desk
    tokens: list[Tokens]
    raw: dict[str, Raw] = field(default_factory=dict)
    alone_s: dict[str, float] = field(default_factory=dict)
    paced: dict[str, float] = field(default_factory=dict)
    single: dict[str, float] = field(default_factory=dict)
    front_per_s: float | None = None

    @classmethod
    def of(cls, bundle: Path, desk: Desk) -> "Subject":
        """Raises BundleError."""
        manifest = read_manifest(bundle)
        tokenizer = Tokenizer.from_file(bundle / TOKENIZER, manifest.token_limit)
        tokens = tokenizer.encode_batch(desk.texts)
        return cls(bundle, manifest, tokenizer, desk, tokens)

    def best(self, variant: Variant) -> Raw:
        """Raises NotMeasurable where it has not been measured."""
        return known(self.raw, name_of(variant), "its raw throughput is not known")


def known(values: Mapping[str, Value], name: str, why: str) -> Value:
    """The value of a name. Raises NotMeasurable."""
    if name not in values:
        raise NotMeasurable(why)
    return values[name]
