"""The places of a batch come in; the parts that are run one after another go out.

Shapes: B tickets of a step.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]


def cut(
    places_B: Places, lengths_B: Places, accumulate: int = 1, budget_tokens: int | None = None
) -> Iterator[Places]:
    """places_B: those of this process, within the step's whole batch, whose lengths are lengths_B.

    accumulate: at least so many parts, as far as there are tickets. budget_tokens: no part has more
    padded tokens, but for a ticket that has more alone. An empty batch has no parts.
    """
    # Dealt, not cut through: a batch's tickets stand task by task.
    for part in (places_B[first::accumulate] for first in range(accumulate)):
        if len(part) and budget_tokens is not None:
            yield from _within(part, lengths_B, budget_tokens)
        elif len(part):
            yield part


def _within(places_B: Places, lengths_B: Places, budget_tokens: int) -> Iterator[Places]:
    order = places_B[np.argsort(lengths_B[places_B], kind="stable")]
    start = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or (end + 1 - start) * lengths_B[order[end]] > budget_tokens:
            yield order[start:end]
            start = end
