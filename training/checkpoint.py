"""What training learned goes into a sealed directory, and comes out of it again, ready for
export.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from service.contract.bundle import Calibration, bundle_digest, check_digests, seal
from service.contract.errors import ContractError
from service.contract.tasks import Task
from service.contract.tokens import Tokenizer
from training.config import RunConfig, dump_config, read_config
from training.errors import CheckpointError
from training.model.encoder import rebuild_encoder
from training.model.network import Network, build_network

WEIGHTS, FACTS, CONFIG, TOKENIZER = (
    "model.safetensors",
    "checkpoint.json",
    "config.yaml",
    "tokenizer.json",
)

_BROKEN = (ContractError, SafetensorError, OSError, RuntimeError, ValueError, KeyError, TypeError)
"""What reading a file that is no part of a checkpoint raises; ValidationError is a ValueError."""


class Facts(BaseModel):
    """Everything of a checkpoint but weights, configuration and tokenizer.

    quality: per task, the calibrated measures on the test split. metrics: the run's whole report.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tasks: tuple[Task, ...]
    encoder: str
    encoder_config: dict[str, Any]
    width: int
    calibration: dict[str, Calibration]
    quality: dict[str, dict[str, float]]
    metrics: dict[str, Any]
    data_fingerprint: str
    code_fingerprint: str


@dataclass(frozen=True)
class Checkpoint:
    """A trained network in evaluation mode on the CPU, with everything that export needs."""

    config: RunConfig
    facts: Facts
    network: Network
    tokenizer: Tokenizer
    digest: str

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks, in the order of the heads."""
        return self.facts.tasks

    @property
    def calibration(self) -> dict[str, Calibration]:
        """Scale and bias of each task."""
        return self.facts.calibration


def save(
    directory: Path, config: RunConfig, facts: Facts, network: Network, tokenizer: Tokenizer
) -> str:
    """Writes the checkpoint beside its place, seals it, moves it there and returns its digest."""
    fresh = directory.with_name(directory.name + ".tmp")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    weights = {
        name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()
    }
    save_file(weights, fresh / WEIGHTS)
    document = json.dumps(facts.model_dump(mode="json"), indent=2, sort_keys=True)
    (fresh / FACTS).write_text(document + "\n", encoding="utf-8")
    (fresh / CONFIG).write_text(dump_config(config), encoding="utf-8")
    (fresh / TOKENIZER).write_text(tokenizer.to_json(), encoding="utf-8")
    seal(fresh)
    shutil.rmtree(directory, ignore_errors=True)
    fresh.rename(directory)
    return bundle_digest(directory)


def load(directory: Path) -> Checkpoint:
    """The checkpoint, every file compared with its digest. Raises CheckpointError."""
    try:
        digest = check_digests(directory)
        facts = Facts.model_validate_json((directory / FACTS).read_bytes())
        config = read_config(directory / CONFIG)
        tokenizer = Tokenizer.from_file(directory / TOKENIZER, config.model.token_limit)
        network = _network(facts, config, directory / WEIGHTS)
    except _BROKEN as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{directory.name} is not a whole checkpoint: {reason}") from error
    return Checkpoint(config, facts, network, tokenizer, digest)


def _network(facts: Facts, config: RunConfig, weights: Path) -> Network:
    # The random initial weights are overwritten; the caller's random state must not notice.
    with torch.random.fork_rng():
        encoder = rebuild_encoder(facts.encoder_config)
    network = build_network(encoder, facts.width, facts.tasks, config.model)
    network.load_state_dict(load_file(weights))
    return network.eval()
