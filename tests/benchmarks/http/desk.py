"""A file of tickets, or none, comes in; tickets with their lengths and request bodies go out."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.contract.bundle import TOKENIZER, read_manifest
from service.contract.ticket import Ticket, render
from service.contract.tokens import Tokenizer
from tests.benchmarks.desk import as_body, tickets
from training.data.read import read_table

SEED = 6
SHORT, LONG = 50, 95
"""Percentiles of length: a flood's short tickets have at most the first, its long ones at least
the second.
"""


@dataclass(frozen=True)
class Desk:
    """Tickets in the order in which they are sent, over and over.

    texts: what the model reads. bodies: of `POST /route`. lengths: tokens, special ones included.
    """

    texts: tuple[str, ...]
    bodies: tuple[bytes, ...]
    lengths: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def short(self) -> NDArray[np.int64]:
        """Places of the short tickets."""
        return np.flatnonzero(self.lengths <= np.percentile(self.lengths, SHORT))

    @cached_property
    def long(self) -> NDArray[np.int64]:
        """Places of the long ones."""
        return np.flatnonzero(self.lengths >= np.percentile(self.lengths, LONG))


def read_desk(bundle: Path, data: Path | None, count: int) -> Desk:
    """At most `count` tickets of the file, drawn at random with a fixed seed; without a file so
    many of the generated desk. Tickets without text, which a server refuses, are left out.
    """
    found = tickets(count) if data is None else _drawn(data, count)
    return desk_of(bundle, found)


def desk_of(bundle: Path, found: list[Ticket]) -> Desk:
    """These tickets, measured with the bundle's tokeniser; of equal texts one."""
    tokenizer = Tokenizer.from_file(bundle / TOKENIZER, read_manifest(bundle).token_limit)
    by_text = {render(ticket.subject, ticket.body): ticket for ticket in found}
    by_text.pop("", None)
    texts = tuple(by_text)
    return Desk(
        texts,
        tuple(as_body(ticket.subject, ticket.body) for ticket in by_text.values()),
        tuple(len(tokens) for tokens in tokenizer.encode_batch(texts)),
    )


def _drawn(data: Path, count: int) -> list[Ticket]:
    rows = read_table(data, (), max_reject_share=1.0)[0].rows
    places = np.random.default_rng(SEED).permutation(len(rows))[:count]
    return [Ticket(subject=rows[place].subject, body=rows[place].body) for place in places]
