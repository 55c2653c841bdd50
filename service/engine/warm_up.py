"""What serves and its limits come in; shapes go out, and are run before the first ticket."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from service.engine.batcher import Limits
from service.engine.device import Device
from service.engine.worker import Worker

_LONG = 256
"""A CPU that warmed up on thousands of tokens would start seconds later and keep their memory."""


def warm_up_shapes(provider: Device, limits: Limits, token_limit: int) -> list[tuple[int, int]]:
    """(batch, length) of each; on CUDA the largest first, so that the arena grows once."""
    fitting = max(1, min(limits.max_batch, limits.budget_tokens // token_limit))
    short = min(16, token_limit)
    if provider == "cuda":
        return [(fitting, token_limit), (1, token_limit), (limits.max_batch, short), (1, short)]
    return [(1, short), (min(2, limits.max_batch), 2 * short), (1, min(_LONG, token_limit))]


def warm_up(workers: Sequence[Worker], shapes: Sequence[tuple[int, int]], runs: int) -> None:
    """Runs the shapes on every session, side by side. runs: of each. Raises InferenceFailed."""
    # Workers that share a session share what warming up does to it.
    apart = {id(worker.session): worker for worker in workers}

    def warm(worker: Worker) -> None:
        for batch, length in shapes:
            worker.warm_up(batch, length, runs)

    with ThreadPoolExecutor(len(apart)) as pool:
        for _ in pool.map(warm, apart.values()):
            pass
