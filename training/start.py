"""A configuration comes in; the encoder that its run begins with goes out."""

from pathlib import Path

from transformers import PreTrainedModel

from training.checkpoint import load
from training.config import RunConfig
from training.errors import ConfigError
from training.model.encoder import Encoder, load_encoder


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


def _begin_from(encoder: Encoder, directory: Path) -> None:
    start = load(directory)
    try:
        encoder.module.load_state_dict(start.network.trunk.encoder.state_dict())
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"model.start {directory.name} has another encoder than {encoder.name}: {reason}"
        ) from error


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
