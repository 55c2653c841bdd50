"""The core's open bundle comes in; what a front must know of it crosses, and is a bundle there."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from service.bundle import Bundle
from service.contract.bundle import Manifest, Variant
from service.contract.tokens import Tokenizer
from service.engine.answer import Answering
from service.engine.device import Device
from service.policy import Policy
from service.rules import Rule


@dataclass(frozen=True, slots=True)
class Seat:
    """A bundle that answers from now on. number: counts up with every change of who answers."""

    number: int
    directory: Path
    digest: str
    manifest: Manifest
    variant: Variant
    tokenizer: str
    rules: Mapping[str, Rule]
    provider: Device
    degraded: bool
    reason: str | None
    policy: Policy | None

    @classmethod
    def of(cls, number: int, bundle: Bundle) -> "Seat":
        """What crosses of a bundle: all but its engine."""
        return cls(
            number,
            bundle.directory,
            bundle.digest,
            bundle.manifest,
            bundle.variant,
            bundle.tokenizer.to_json(),
            dict(bundle.rules),
            bundle.provider,
            bundle.degraded,
            bundle.reason,
            bundle.policy,
        )

    def bundle(self, engine: Answering) -> Bundle:
        """The bundle at the other end. engine: asks the core's."""
        return Bundle(
            self.directory,
            self.digest,
            self.manifest,
            self.variant,
            Tokenizer(self.tokenizer, self.manifest.token_limit),
            engine,
            self.rules,
            self.provider,
            self.degraded,
            self.reason,
            self.policy,
        )
