"""A field of several agents' votes comes in; counts, a majority and shares of the labels go out.

Shapes: N tickets, C classes of a task.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

MOST_VOTES = 1_000_000
VOTES_RULE = (
    "votes are label:count, joined by semicolons, each label once, the counts whole and from 0 to "
    f"{MOST_VOTES:,}, at least one of them above 0"
)

_DIGITS = len(str(MOST_VOTES))
Votes = Mapping[str, int]
"""Label to how many agents chose it, only what is above 0; empty for a ticket without votes."""


class BrokenVotes(ValueError):
    """A field of votes breaks `VOTES_RULE`; the message says how and holds nothing of the field."""


def parse_votes(field: str) -> dict[str, int]:
    """`billing:3;technical:1` as counts by label, in the order of the field; empty for an empty
    one.

    A label may hold anything but a semicolon: its count stands behind the last colon. Raises
    BrokenVotes.
    """
    if not field.strip():
        return {}
    votes: dict[str, int] = {}
    for number, entry in enumerate(field.split(";"), 1):
        label, count = _entry(entry, number)
        if label in votes:
            raise BrokenVotes(f"entry {number} names a label for the second time")
        votes[label] = count
    if not any(votes.values()):
        raise BrokenVotes("no label has a vote")
    return {label: count for label, count in votes.items() if count}


def majority(votes: Votes) -> str | None:
    """The label with the most votes; None on a tie, and without votes."""
    most = max(votes.values(), default=0)
    first = [label for label, count in votes.items() if count == most]
    return first[0] if len(first) == 1 else None


def vote_shares(votes: Sequence[Votes], labels: Sequence[str]) -> NDArray[np.float32]:
    """The share of a ticket's votes that each label had, (N, C); zeros where it has none.

    Votes for a label that is not among `labels` are left out before the shares are taken, as such a
    label itself is.
    """
    places = {label: place for place, label in enumerate(labels)}
    counts_NC = np.zeros((len(votes), len(labels)))
    for position, ticket in enumerate(votes):
        for label, count in ticket.items():
            if label in places:
                counts_NC[position, places[label]] = count
    totals_N1 = counts_NC.sum(axis=1, keepdims=True)
    shares_NC: NDArray[np.float32] = (counts_NC / np.maximum(totals_N1, 1.0)).astype(np.float32)
    return shares_NC


def _entry(entry: str, number: int) -> tuple[str, int]:
    label, _, count = (part.strip() for part in entry.rpartition(":"))
    if not label:
        raise BrokenVotes(f"entry {number} is not label:count")
    if not (count.isascii() and count.isdecimal() and len(count) <= _DIGITS):
        raise BrokenVotes(f"entry {number} has no whole count of at most {_DIGITS} digits")
    if int(count) > MOST_VOTES:
        raise BrokenVotes(f"entry {number} has more than {MOST_VOTES:,} votes")
    return label, int(count)
