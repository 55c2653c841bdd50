"""Tokenised tickets come in; batches of them go out."""

from collections.abc import Iterator, Sequence

from service.contract.tokens import Tokens


def by_length(tickets: Sequence[Tokens], batch: int) -> Iterator[Sequence[Tokens]]:
    """Batches of tickets of like length, shortest first."""
    ordered = sorted(tickets, key=len)
    for start in range(0, len(ordered), batch):
        yield ordered[start : start + batch]
