"""A configuration and an encoder come in; the trunk that the configuration names goes out."""

from torch import nn

from training.config import ModelConfig
from training.config import sharing as named
from training.model.sharing.bottleneck import BottleneckAdapters
from training.model.sharing.conditioned import ConditionedTrunk
from training.model.sharing.cross_stitch import CrossStitch
from training.model.sharing.hard import HardSharing
from training.model.sharing.lora import LoraAdapters
from training.model.sharing.mmoe import MixtureOfExperts
from training.model.sharing.ple import ProgressiveExtraction
from training.model.sharing.prefix import PrefixTrunk
from training.model.sharing.sluice import Sluice
from training.model.sharing.soft import SoftSharing
from training.model.sharing.trunk import Trunk


def build_trunk(
    encoder: nn.Module, width: int, tasks: tuple[str, ...], model: ModelConfig
) -> Trunk:
    """The trunk of a run. Raises ConfigError where the scheme does not suit the encoder."""
    parts = encoder, tasks, model.pooling, width
    match model.sharing:
        case named.HardConfig():
            return HardSharing(encoder, tasks, model.pooling)
        case named.SoftConfig() as settings:
            return SoftSharing(*parts, settings)
        case named.CrossStitchConfig() as settings:
            return CrossStitch(*parts, settings)
        case named.SluiceConfig() as settings:
            return Sluice(*parts, settings)
        case named.LoraConfig() as settings:
            return LoraAdapters(*parts, settings)
        case named.BottleneckConfig() as settings:
            return BottleneckAdapters(*parts, settings)
        case named.ConditionedConfig() as settings:
            return ConditionedTrunk(*parts, settings)
        case named.PrefixConfig() as settings:
            return PrefixTrunk(*parts, settings)
        case named.MmoeConfig() as settings:
            return MixtureOfExperts(*parts, settings)
        case named.PleConfig() as settings:
            return ProgressiveExtraction(*parts, settings)
