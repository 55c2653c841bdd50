"""Limits of age and size come in; the oldest decisions go, one bounded transaction at a time."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from sqlalchemy import Connection

from service.ledger import retention
from service.ledger.database import Mode

Within = Callable[[Mode], AbstractContextManager[Connection]]
"""Opens a transaction."""

_PRUNED_AT_ONCE = 2_000


def prune(
    within: Within, now: float, keep_days: float, max_mb: float, most: int | None = None
) -> dict[str, int]:
    """Deletes what `Store.prune` says; how many decisions went, by reason."""
    before = retention.before(now, keep_days)

    def too_old(connection: Connection, step: int) -> int:
        return retention.too_old(connection, before, step)

    def too_many(connection: Connection, step: int) -> int:
        share = retention.surplus(connection, max_mb)
        return retention.too_many(connection, share, step) if share else 0

    gone = {"age": 0, "size": 0}
    for reason, delete in (("age", too_old), ("size", too_many)):
        while step := _step(most, gone):
            with within("write") as connection:
                dropped = delete(connection, step)
            gone[reason] += dropped
            if dropped != step:
                break
    return gone


def _step(most: int | None, gone: dict[str, int]) -> int:
    """How many decisions the next transaction may delete."""
    if most is None:
        return _PRUNED_AT_ONCE
    return min(_PRUNED_AT_ONCE, most - sum(gone.values()))
