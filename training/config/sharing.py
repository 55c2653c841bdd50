"""What a run says of how its tasks share one encoder: a scheme's name, or a name with settings."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from training.config.section import Count, NotNegative, Positive, Section, Share

TrunkState = Literal["tuned", "frozen"]


class HardConfig(Section):
    """One encoder, the same features for every task."""

    scheme: Literal["hard"] = "hard"


class Branching(Section):
    """A scheme whose pass depends on the task. top_layers: only the last so many layers do."""

    top_layers: Count | None = None


class SoftConfig(Branching):
    """strength: the weight of the squared distance between the tasks' parameters."""

    scheme: Literal["soft"] = "soft"
    strength: Positive = 1e-3


class CrossStitchConfig(Branching):
    """own: what of its own features a task keeps at first; the others share the rest."""

    scheme: Literal["cross_stitch"] = "cross_stitch"
    own: Share = 0.9


class SluiceConfig(Branching):
    """subspaces: parts that each layer's output is cut into. orthogonality: weight of keeping
    them apart."""

    scheme: Literal["sluice"] = "sluice"
    own: Share = 0.9
    subspaces: Annotated[int, Field(ge=2, le=8)] = 2
    orthogonality: NotNegative = 1e-3


class LoraConfig(Branching):
    """A low-rank update of the attention a task."""

    scheme: Literal["lora"] = "lora"
    rank: Count = 8
    alpha: Positive = 16.0
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    trunk: TrunkState = "tuned"


class BottleneckConfig(Branching):
    """adapter: width of the two layers that follow each feed-forward block, a task."""

    scheme: Literal["bottleneck"] = "bottleneck"
    adapter: Count = 48
    trunk: TrunkState = "tuned"


class ConditionedConfig(Branching):
    """embedding: width of a task's vector, from which each layer's scale and shift are read."""

    scheme: Literal["conditioned"] = "conditioned"
    embedding: Count = 32
    trunk: TrunkState = "tuned"


class PrefixConfig(Branching):
    """prefix: learned vectors a task that stand before the tokens, at each layer."""

    scheme: Literal["prefix"] = "prefix"
    prefix: Annotated[int, Field(ge=1, le=128)] = 16
    trunk: TrunkState = "frozen"


class MmoeConfig(Section):
    """experts: read by every task through its own gate. expert: their width; None is the
    encoder's."""

    scheme: Literal["mmoe"] = "mmoe"
    experts: Annotated[int, Field(ge=2, le=64)] = 4
    expert: Count | None = None


class PleConfig(Section):
    """shared: experts for all, and own: experts for each task. levels: extraction layers."""

    scheme: Literal["ple"] = "ple"
    shared: Annotated[int, Field(ge=1, le=64)] = 2
    own: Annotated[int, Field(ge=1, le=64)] = 2
    levels: Annotated[int, Field(ge=1, le=4)] = 1
    expert: Count | None = None


def shares_parameters(sharing: Section) -> bool:
    """Whether two tasks have a parameter in common that learns."""
    if isinstance(sharing, SoftConfig):
        return sharing.top_layers is not None
    return getattr(sharing, "trunk", "tuned") == "tuned"


def _named(value: Any) -> Any:
    return {"scheme": value} if isinstance(value, str) else value


SharingConfig = Annotated[
    Annotated[
        HardConfig
        | SoftConfig
        | CrossStitchConfig
        | SluiceConfig
        | LoraConfig
        | BottleneckConfig
        | ConditionedConfig
        | PrefixConfig
        | MmoeConfig
        | PleConfig,
        Field(discriminator="scheme"),
    ],
    BeforeValidator(_named),
]
