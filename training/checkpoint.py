"""What training learned goes into a sealed directory, and comes out of it again, ready for
export.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

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
from training.predictions import Predictions, load_predictions, save_predictions
from training.scope import Mahalanobis, load_scope, save_scope

WEIGHTS, FACTS, CONFIG, TOKENIZER, PREDICTIONS, SCOPE = (
    "model.safetensors",
    "checkpoint.json",
    "config.yaml",
    "tokenizer.json",
    "predictions.safetensors",
    "scope.safetensors",
)

_BROKEN = (ContractError, SafetensorError, OSError, RuntimeError, ValueError, KeyError, TypeError)
"""What reading a file that is no part of a checkpoint raises; ValidationError is a ValueError."""


class Facts(BaseModel):
    """Everything of a checkpoint but weights, configuration and tokenizer.

    tasks: those with a head here. unexported: those that were trained beside them, without one.
    quality: per task, the calibrated measures on the test split. metrics: the run's whole report.
    offsets: per task, what turns logits that were trained with class weights back to the desk's own
    label shares (C,). scope_method: what its scope score is, None where it has none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tasks: tuple[Task, ...]
    unexported: tuple[Task, ...] = ()
    encoder: str
    encoder_config: dict[str, Any]
    width: int
    calibration: dict[str, Calibration]
    quality: dict[str, dict[str, float]]
    metrics: dict[str, Any]
    data_fingerprint: str
    code_fingerprint: str
    offsets: dict[str, tuple[float, ...]] = {}
    scope_method: Literal["mahalanobis", "energy"] | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A trained network in evaluation mode on the CPU, with everything that export needs.

    predictions: of the calibration and test split; none in a checkpoint of an older Harbor. scope:
    tells strange tickets.
    """

    config: RunConfig
    facts: Facts
    network: Network
    tokenizer: Tokenizer
    digest: str
    predictions: Mapping[str, Predictions] = field(default_factory=dict)
    scope: Mahalanobis | None = None

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks, in the order of the heads."""
        return self.facts.tasks

    @property
    def calibration(self) -> dict[str, Calibration]:
        """Scale and bias of each task."""
        return self.facts.calibration


def save(
    directory: Path,
    config: RunConfig,
    facts: Facts,
    network: Network,
    tokenizer: Tokenizer,
    predictions: Mapping[str, Predictions] | None = None,
    scope: Mahalanobis | None = None,
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
    if predictions:
        save_predictions(fresh / PREDICTIONS, predictions)
    if scope is not None:
        save_scope(fresh / SCOPE, scope)
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
        predictions = _predictions(directory)
        scope = _scope(directory)
    except _BROKEN as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{directory.name} is not a whole checkpoint: {reason}") from error
    return Checkpoint(config, facts, network, tokenizer, digest, predictions, scope)


def load_facts(directory: Path) -> tuple[Facts, dict[str, Predictions]]:
    """What a checkpoint says of itself, every file compared with its digest, without its network.

    Raises CheckpointError.
    """
    try:
        check_digests(directory)
        facts = Facts.model_validate_json((directory / FACTS).read_bytes())
        return facts, _predictions(directory)
    except _BROKEN as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(f"{directory.name} is not a whole checkpoint: {reason}") from error


def _scope(directory: Path) -> Mahalanobis | None:
    path = directory / SCOPE
    return load_scope(path) if path.exists() else None


def _predictions(directory: Path) -> dict[str, Predictions]:
    path = directory / PREDICTIONS
    return load_predictions(path) if path.exists() else {}


def _network(facts: Facts, config: RunConfig, weights: Path) -> Network:
    # The random initial weights are overwritten; the caller's random state must not notice.
    with torch.random.fork_rng():
        encoder = rebuild_encoder(facts.encoder_config)
    # In the order of the training, which some trunks number their parts by.
    order = list(config.tasks)
    trained = (*facts.tasks, *facts.unexported)
    tasks = tuple(sorted(trained, key=lambda task: order.index(task.name)))
    network = build_network(encoder, facts.width, tasks, config.model, config.losses)
    network.keep([task.name for task in facts.tasks])
    network.load_state_dict(load_file(weights))
    return network.eval()
