"""What is known of one open bundle: all that routing a ticket by it takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from service.api.documents import BundleName
from service.contract.bundle import Manifest, Variant
from service.contract.tasks import Task
from service.contract.tokens import Tokenizer
from service.engine.answer import Answering
from service.engine.device import Device
from service.policy import Policy
from service.rules import Rule


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A bundle that proved itself, with the engine that runs it.

    directory: without links. digest: `sha256:...` of the sealed directory. rules: by task, how its
    probabilities become a decision. provider: where it computes. degraded: that is not where it was
    meant to: `auto` had to fall back although the host has a driver, or a device is lost. reason:
    why `auto` did not take CUDA. policy: that the rules follow beside the bundle. name: as replies
    have it. primary: names of the primary tasks.
    """

    directory: Path
    digest: str
    manifest: Manifest
    variant: Variant
    tokenizer: Tokenizer
    engine: Answering
    rules: Mapping[str, Rule]
    provider: Device
    degraded: bool
    reason: str | None = None
    policy: Policy | None = None
    name: BundleName = field(init=False)
    primary: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Makes once what every ticket needs."""
        primary = tuple(task.name for task in self.tasks if task.role == "primary")
        object.__setattr__(self, "name", BundleName(self.manifest.version, self.digest))
        object.__setattr__(self, "primary", primary)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The questions it answers."""
        return self.manifest.tasks
