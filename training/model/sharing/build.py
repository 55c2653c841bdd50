"""A configuration and an encoder come in; the trunk that the configuration names goes out."""

from torch import nn

from training.config import ModelConfig
from training.model.sharing.hard import HardSharing
from training.model.sharing.trunk import Trunk


def build_trunk(
    encoder: nn.Module,
    width: int,  # noqa: ARG001 - for the schemes that add layers
    tasks: tuple[str, ...],
    model: ModelConfig,
) -> Trunk:
    """The trunk of a run. Raises ConfigError where the scheme does not suit the encoder."""
    return HardSharing(encoder, tasks, model.pooling)
