"""Rows come in; token ids and label indices, ready for batches, go out.

Shapes: N tickets, T tasks, B batch, L length.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.contract.tasks import Task
from service.contract.ticket import render
from service.contract.tokens import Tokenizer, Tokens, pad
from training.data.table import Row
from training.data.votes import vote_shares

UNLABELLED = -100
"""The label index of a missing label: PyTorch's cross-entropy ignores it."""


@dataclass(frozen=True)
class Batch:
    """ids and mask (B, L) int64; labels per task (B,) int64 with UNLABELLED where there is none.

    votes: of the tasks that have them, (B, C) float32, rows of shares, or of zeros without a vote.
    """

    ids: Tensor
    mask: Tensor
    labels: dict[str, Tensor]
    votes: dict[str, Tensor] = field(default_factory=dict)

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device."""
        labels = {name: label_B.to(device) for name, label_B in self.labels.items()}
        votes = {name: votes_BC.to(device) for name, votes_BC in self.votes.items()}
        return Batch(self.ids.to(device), self.mask.to(device), labels, votes)


@dataclass(frozen=True)
class Dataset:
    """Tokenised tickets. labels_NT: indices into each task's labels, UNLABELLED where missing.

    votes: of the tasks that have them, (N, C) float32: what share of a ticket's votes each label
    had, zeros where it has no vote.
    """

    ids: tuple[str, ...]
    tokens: tuple[Tokens, ...]
    labels_NT: NDArray[np.int64]
    tasks: tuple[Task, ...]
    pad_id: int
    votes: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths_N(self) -> NDArray[np.int64]:
        """Tokens of each ticket."""
        return np.array([len(ticket) for ticket in self.tokens], dtype=np.int64)

    def labels(self, task: str) -> NDArray[np.int64]:
        """One task's label indices, (N,)."""
        column = [known.name for known in self.tasks].index(task)
        return self.labels_NT[:, column]

    def labelled(self, task: str) -> NDArray[np.int64]:
        """Positions of the tickets that carry a label of the task, or votes for one."""
        return np.flatnonzero(self.known(task))

    def known(self, task: str) -> NDArray[np.bool_]:
        """Whether each ticket carries a label of the task, or votes for one: (N,)."""
        known_N: NDArray[np.bool_] = self.labels(task) != UNLABELLED
        return known_N | (self.votes[task].sum(axis=1) > 0) if task in self.votes else known_N

    def only(self, positions: NDArray[np.int64]) -> "Dataset":
        """The tickets at these positions, held in memory."""
        return Dataset(
            tuple(self.ids[position] for position in positions.tolist()),
            tuple(self.tokens[position] for position in positions.tolist()),
            self.labels_NT[positions],
            self.tasks,
            self.pad_id,
            {task: votes_NC[positions] for task, votes_NC in self.votes.items()},
        )

    def batch(self, positions: Sequence[int] | NDArray[np.int64]) -> Batch:
        """The tickets at these positions, padded to the longest of them."""
        chosen = np.asarray(positions)
        ids_BL, mask_BL = pad([self.tokens[position] for position in chosen], self.pad_id)
        labels_BT = torch.from_numpy(self.labels_NT[chosen])
        labels = {task.name: labels_BT[:, column] for column, task in enumerate(self.tasks)}
        votes = {task: torch.from_numpy(votes_NC[chosen]) for task, votes_NC in self.votes.items()}
        return Batch(torch.from_numpy(ids_BL), torch.from_numpy(mask_BL), labels, votes)

    def by_length(self, budget_tokens: int = 8192) -> Iterator[NDArray[np.int64]]:
        """Positions of every ticket once, in batches of like length within a budget of padded
        tokens.
        """
        order, lengths_N = np.argsort(self.lengths_N, kind="stable"), self.lengths_N
        start = 0
        for end in range(1, len(order) + 1):
            full = end == len(order) or (end + 1 - start) * lengths_N[order[end]] > budget_tokens
            if full:
                yield order[start:end]
                start = end


def encode_rows(rows: Sequence[Row], tasks: tuple[Task, ...], tokenizer: Tokenizer) -> Dataset:
    """Rows as a data set, through the very rendering and tokenizer that will serve."""
    texts = [render(row.subject, row.body) for row in rows]
    index = [{label: place for place, label in enumerate(task.labels)} for task in tasks]
    labels_NT = np.full((len(rows), len(tasks)), UNLABELLED, dtype=np.int64)
    for position, row in enumerate(rows):
        for column, task in enumerate(tasks):
            labels_NT[position, column] = index[column].get(
                row.labels.get(task.name, ""), UNLABELLED
            )
    ids = tuple(row.id for row in rows)
    tokens = tuple(tokenizer.encode_batch(texts))
    return Dataset(ids, tokens, labels_NT, tasks, tokenizer.pad_id, _votes(rows, tasks))


def _votes(rows: Sequence[Row], tasks: tuple[Task, ...]) -> dict[str, NDArray[np.float32]]:
    voted = {task for row in rows for task in row.votes}
    return {
        task.name: vote_shares([row.votes.get(task.name, {}) for row in rows], task.labels)
        for task in tasks
        if task.name in voted
    }
