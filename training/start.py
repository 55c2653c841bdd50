"""A configuration comes in; the encoder that its run begins with goes out."""

from collections.abc import Sequence
from pathlib import Path

from transformers import PreTrainedModel

from service.contract.tasks import Task
from training.checkpoint import load
from training.config import RunConfig
from training.errors import ConfigError
from training.model.encoder import Encoder, load_encoder
from training.model.network import build_network


def begin_encoder(config: RunConfig) -> Encoder:
    """The published weights, or those that another run's checkpoint ended with.

    Raises EncoderError, CheckpointError, and ConfigError where the token limit or the start does
    not suit the encoder.
    """
    encoder = load_encoder(config.model.encoder, config.model.layers)
    if encoder.positions is not None and config.model.token_limit > encoder.positions:
        raise ConfigError(
            f"model.token_limit must be at most {encoder.positions}, the positions of "
            f"{encoder.name}, found {config.model.token_limit}"
        )
    if config.model.start is not None:
        _begin_from(encoder, Path(config.model.start))
    if config.model.checkpointing:
        _checkpoint(encoder)
    return encoder


def check_builds(configs: Sequence[RunConfig]) -> None:
    """Builds each network once and forgets it: what cannot be built is found before the first of
    many runs. Raises what a run would raise.
    """
    for config in configs:
        tasks = tuple(Task(name=name, labels=("one", "other")) for name in config.tasks)
        encoder = begin_encoder(config)
        build_network(encoder.module, encoder.width, tasks, config.model)


def _begin_from(encoder: Encoder, directory: Path) -> None:
    """What the tasks shared: low-rank updates, which are a task's own, are left out."""
    known = load(directory).network.trunk.encoder.state_dict()
    shared = {
        name.replace(".base_layer.", "."): value
        for name, value in known.items()
        if ".lora_" not in name
    }
    wanted = encoder.module.state_dict()
    shapes = {name: value.shape for name, value in shared.items()}
    if shapes != {name: value.shape for name, value in wanted.items()}:
        raise ConfigError(
            f"model.start {directory.name} has another encoder than model.encoder {encoder.name}"
        )
    encoder.module.load_state_dict(shared)


def _checkpoint(encoder: Encoder) -> None:
    module = encoder.module
    if not isinstance(module, PreTrainedModel) or not module.supports_gradient_checkpointing:
        raise ConfigError(
            f"model.checkpointing needs an encoder that supports it, {encoder.name} does not; "
            "allowed: false"
        )
    # Its name until transformers 5.2x.
    older = module.gradient_checkpointing_enable
    getattr(module, "activation_checkpointing_enable", older)()
