"""Tickets come in; the arrays that one call of a graph takes go out, padded or end to end.

Shapes: B batch, L padded length, T tokens of all tickets together, E = B + 1 ends of tickets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from service.contract.tokens import IntArray, Tokens, pad

Layout = Literal["padded", "ragged"]

Int32Array = NDArray[np.int32]


@dataclass(slots=True, eq=False)
class Padded:
    """Tickets side by side, each as wide as the longest; the mask is 1 where there is a token."""

    ids_BL: IntArray
    mask_BL: IntArray

    def __len__(self) -> int:
        return len(self.ids_BL)

    @property
    def tokens(self) -> int:
        """What the graph computes on, padding included."""
        return self.ids_BL.size

    def part(self, start: int, stop: int) -> Self:
        """The tickets from `start` to before `stop`, no wider than the longest of them."""
        mask_BL = self.mask_BL[start:stop]
        width = int(mask_BL.sum(axis=1).max())
        return type(self)(
            np.ascontiguousarray(self.ids_BL[start:stop, :width]),
            np.ascontiguousarray(mask_BL[:, :width]),
        )


@dataclass(slots=True, eq=False)
class Flat:
    """Tickets end to end, without padding: ticket b has the tokens from `ends_E[b]` to before
    `ends_E[b + 1]`; each one's positions count from 0.
    """

    ids_T: IntArray
    positions_T: IntArray
    ends_E: Int32Array

    @classmethod
    def of(cls, tickets: Sequence[Tokens]) -> Self:
        """These tickets, in this order; at least one."""
        lengths = [len(ticket) for ticket in tickets]
        ends_E = np.zeros(len(tickets) + 1, dtype=np.int32)
        np.cumsum(lengths, out=ends_E[1:])
        ids_T = np.concatenate([ticket.ids for ticket in tickets])
        positions_T = np.arange(len(ids_T), dtype=np.int64) - np.repeat(ends_E[:-1], lengths)
        return cls(ids_T, positions_T, ends_E)

    def __len__(self) -> int:
        return len(self.ends_E) - 1

    @property
    def tokens(self) -> int:
        """What the graph computes on: the tickets' own tokens."""
        return len(self.ids_T)

    def part(self, start: int, stop: int) -> Self:
        """The tickets from `start` to before `stop`."""
        first, last = int(self.ends_E[start]), int(self.ends_E[stop])
        ends_E = self.ends_E[start : stop + 1] - np.int32(first)
        return type(self)(self.ids_T[first:last], self.positions_T[first:last], ends_E)

    def offsets_BL(self) -> Int32Array:
        """(B, L): positions b * L + l of the padded batch, first those of tokens in order, then
        those of padding, as com.microsoft's PackedAttention wants its `token_offset`.
        """
        lengths_B = np.diff(self.ends_E)
        width = int(lengths_B.max())
        padding_BL = np.arange(width) >= lengths_B[:, None]
        offsets = np.argsort(padding_BL.ravel(), kind="stable").astype(np.int32)
        return offsets.reshape(len(self), width)

    def padded(self, pad_id: int) -> Padded:
        """The same tickets side by side."""
        tickets = np.split(self.ids_T, self.ends_E[1:-1])
        return Padded(*pad([Tokens(ids, truncated=False) for ids in tickets], pad_id))


def computed(lengths: Sequence[int], layout: Layout) -> int:
    """Tokens that a graph of this layout computes on for tickets of these lengths."""
    return sum(lengths) if layout == "ragged" else len(lengths) * max(lengths)


Arrays = Padded | Flat
"""What one call takes."""


def lay_out(tickets: Sequence[Tokens], layout: Layout, pad_id: int) -> Arrays:
    """The arrays of these tickets for a graph of this layout."""
    return Flat.of(tickets) if layout == "ragged" else Padded(*pad(tickets, pad_id))
