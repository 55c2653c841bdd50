"""Rows come in; token ids and label indices, ready for batches, go out.

Shapes: N tickets, T tasks, B batch, L length.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from service.contract.tasks import Task
from service.contract.ticket import render
from service.contract.tokens import Tokenizer, Tokens, pad
from training.data.table import Row

UNLABELLED = -100
"""The label index of a missing label: PyTorch's cross-entropy ignores it."""


@dataclass(frozen=True)
class Batch:
    """ids and mask (B, L) int64; labels per task (B,) int64 with UNLABELLED where there is none."""

    ids: Tensor
    mask: Tensor
    labels: dict[str, Tensor]

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device."""
        labels = {name: label_B.to(device) for name, label_B in self.labels.items()}
        return Batch(self.ids.to(device), self.mask.to(device), labels)


@dataclass(frozen=True)
class Dataset:
    """Tokenised tickets. labels_NT: indices into each task's labels, UNLABELLED where missing."""

    ids: tuple[str, ...]
    tokens: tuple[Tokens, ...]
    labels_NT: NDArray[np.int64]
    tasks: tuple[Task, ...]
    pad_id: int

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
        """Positions of the tickets that carry a label of the task."""
        return np.flatnonzero(self.labels(task) != UNLABELLED)

    def batch(self, positions: Sequence[int] | NDArray[np.int64]) -> Batch:
        """The tickets at these positions, padded to the longest of them."""
        chosen = np.asarray(positions)
        ids_BL, mask_BL = pad([self.tokens[position] for position in chosen], self.pad_id)
        labels_BT = torch.from_numpy(self.labels_NT[chosen])
        labels = {task.name: labels_BT[:, column] for column, task in enumerate(self.tasks)}
        return Batch(torch.from_numpy(ids_BL), torch.from_numpy(mask_BL), labels)

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
    return Dataset(ids, tuple(tokenizer.encode_batch(texts)), labels_NT, tasks, tokenizer.pad_id)
