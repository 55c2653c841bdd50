"""A reference recipe comes in; the recipes that differ from it in one factor go out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

from training.config import RunConfig, parse_config
from training.config.balance import Method
from training.config.batch import Sampling
from training.errors import ConfigError

Factor = Literal["architecture", "balance", "sampling"]
FACTORS: tuple[Factor, ...] = get_args(Factor)
REFERENCE: Literal["reference"] = "reference"

SCHEMES = (
    "soft", "cross_stitch", "sluice", "lora", "bottleneck", "conditioned", "prefix", "mmoe", "ple",
)  # fmt: skip
ONE_SEED = frozenset({"graddrop"})
"""So dear that one seed must do (its draws are a second's work at each step)."""


@dataclass(frozen=True)
class Variant:
    """name: unique in the table, such as `balance=pcgrad`. seeds: at most so many; None for all."""

    name: str
    factor: Factor | Literal["reference"]
    config: RunConfig
    seeds: int | None = None


def variants(reference: RunConfig, factors: tuple[Factor, ...] = FACTORS) -> Iterator[Variant]:
    """The reference, then one recipe for each other value of each factor that goes with it."""
    yield Variant(REFERENCE, REFERENCE, reference)
    for factor in factors:
        for value, change in _values(factor, reference):
            name = f"{factor}={value}"
            try:
                changed = _changed(reference, change, name)
            except ConfigError:
                continue
            yield Variant(name, factor, changed, 1 if value in ONE_SEED else None)


def left_out(reference: RunConfig, factors: tuple[Factor, ...] = FACTORS) -> Iterator[str]:
    """Why a way cannot be combined with the reference, a sentence each."""
    for factor in factors:
        for value, change in _values(factor, reference):
            try:
                _changed(reference, change, f"{factor}={value}")
            except ConfigError as error:
                yield str(error)


def _values(factor: Factor, reference: RunConfig) -> Iterator[tuple[str, dict[str, Any]]]:
    if factor == "architecture":
        for scheme in ("hard", *SCHEMES):
            if scheme != reference.model.sharing.scheme:
                yield scheme, {"model": {"sharing": {"scheme": scheme}}}
    elif factor == "balance":
        for method in get_args(Method):
            # Without weights of its own it is `equal` under another name.
            if method not in {reference.balance.method, "manual"}:
                yield method, {"balance": {"method": method, "weights": {}}}
    else:
        for sampling in get_args(Sampling):
            if sampling != reference.batch.sampling:
                yield sampling, {"batch": {"sampling": sampling}}


def _changed(reference: RunConfig, change: dict[str, Any], name: str) -> RunConfig:
    document = reference.model_dump(mode="json")
    for section, keys in change.items():
        document[section] = {**document[section], **keys}
    return parse_config(document, name)
