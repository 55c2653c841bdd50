"""An indexed file of tickets comes in; its data sets, and texts of some tickets, go out.

Shapes: N tickets, M of them.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.contract.tasks import Task
from service.contract.tokens import Tokenizer
from training.data.dataset import UNLABELLED, Dataset
from training.data.split import SPLITS
from training.data.stream.found import StreamedTable
from training.data.stream.keep import keep
from training.data.stream.store import SplitWriter, open_split
from training.data.stream.walk import Ticket, Walk
from training.errors import DataError

_TOKENS = "tokens.json"
_ROWS, _CHARACTERS = 1024, 1 << 20
"""Tickets are tokenised together up to so many, or up to so much text."""


@dataclass(frozen=True)
class StreamedDesk:
    """Tickets indexed and split; as `training.prepare.Desk`, without the rows."""

    table: StreamedTable
    tasks: tuple[Task, ...]
    folder: Path
    walk: Walk

    @property
    def tickets(self) -> dict[str, int]:
        """Tickets of every split."""
        return self.table.found.tickets

    def labelled(self, tasks: Sequence[Task]) -> int:
        """As `training.prepare.Desk`."""
        return self.walk.labelled("train", {task.name: task.labels for task in tasks})

    def label_shares(self) -> dict[str, Any]:
        """As `training.data.split.label_shares`."""
        return self.table.found.shares(self.tasks)

    def sample(self, split: str, most: int) -> tuple[NDArray[np.int64], list[str]]:
        """Positions (M,) of at most `most` tickets, drawn evenly from a split, and their texts."""
        size = self.tickets[split]
        drawn_M = np.unique(np.linspace(0, size - 1, min(most, size)).astype(np.int64))
        wanted = set(drawn_M.tolist())
        rows = (ticket.row for ticket in self.walk.tickets() if ticket.split == split)
        return drawn_M, [row.text for place, row in enumerate(rows) if place in wanted]

    def encode(self, tokenizer: Tokenizer) -> dict[str, Dataset]:
        """The data set of every split; written once, then opened. Raises DataError where the
        tokenizer is not the one of the first time.
        """
        mark, place = self._mark(tokenizer), self.folder / _TOKENS
        if not place.exists():
            self._write(tokenizer)
            keep(place, {"tokenizer": mark})
        elif json.loads(place.read_text(encoding="utf-8"))["tokenizer"] != mark:
            raise DataError("the tokenizer or the tasks changed since the run began; start a new")
        return {
            split: open_split(self.folder, split, self.tasks, tokenizer.pad_id) for split in SPLITS
        }

    def _mark(self, tokenizer: Tokenizer) -> str:
        tasks = [[task.name, list(task.labels)] for task in self.tasks]
        told = [tokenizer.to_json(), str(tokenizer.limit), json.dumps(tasks)]
        return hashlib.sha256("\0".join(told).encode()).hexdigest()

    def _write(self, tokenizer: Tokenizer) -> None:
        with ExitStack() as stack:
            writers = {
                split: stack.enter_context(SplitWriter(self.folder, split)) for split in SPLITS
            }
            for part in _batches(self.walk.tickets()):
                tokens = tokenizer.encode_batch([ticket.row.text for ticket in part])
                for split, writer in writers.items():
                    at = [number for number, ticket in enumerate(part) if ticket.split == split]
                    ids = [part[number].row.id for number in at]
                    labels_NT = np.array([self._indices(part[number]) for number in at])
                    writer.add(ids, [tokens[number] for number in at], labels_NT)

    def _indices(self, ticket: Ticket) -> list[int]:
        """(T,): the ticket's labels as a data set has them; a rare one is missing."""
        found = ((task.labels, ticket.row.labels.get(task.name)) for task in self.tasks)
        return [labels.index(label) if label in labels else UNLABELLED for labels, label in found]


def _batches(tickets: Iterator[Ticket]) -> Iterator[list[Ticket]]:
    part: list[Ticket] = []
    characters = 0
    for ticket in tickets:
        part.append(ticket)
        characters += len(ticket.row.body)
        if len(part) == _ROWS or characters >= _CHARACTERS:
            yield part
            part, characters = [], 0
    if part:
        yield part
