"""What serves and its limits come in; the shapes to run before the first ticket go out."""

from service.engine.batcher import Limits
from service.engine.device import Device

_LONG = 256
"""A CPU that warmed up on thousands of tokens would start seconds later and keep their memory."""


def warm_up_shapes(provider: Device, limits: Limits, token_limit: int) -> list[tuple[int, int]]:
    """(batch, length) of each; on CUDA the largest first, so that the arena grows once."""
    fitting = max(1, min(limits.max_batch, limits.budget_tokens // token_limit))
    short = min(16, token_limit)
    if provider == "cuda":
        return [(fitting, token_limit), (1, token_limit), (limits.max_batch, short), (1, short)]
    return [(1, short), (min(2, limits.max_batch), 2 * short), (1, min(_LONG, token_limit))]
