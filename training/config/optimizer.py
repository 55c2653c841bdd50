"""What a run says of its optimiser and of when it stops."""

from typing import Annotated

from pydantic import Field

from training.config.section import Count, NotNegative, Positive, Section


class OptimizerConfig(Section):
    """AdamW; each learning rate warms up linearly and then decays linearly to zero."""

    encoder_rate: Positive = 3e-5
    head_rate: Positive = 1e-3
    weight_decay: NotNegative = 0.01
    warmup_share: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    clip_norm: Positive = 1.0


class StopConfig(Section):
    """Early stopping. metric: `macro_f1`, the mean over primary tasks, or one of
    these tasks by name."""

    metric: str = "macro_f1"
    patience: Count = 2
