"""What `torchrun` started comes in; which process this is, and sums over all of them, go out.

A step's whole batch is known to every process, for it is a function of seed and step; each takes
its own part, divides by what the whole batch weighs, and the gradients are added up.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.distributed
from accelerate import PartialState
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Processes:
    """rank: which of `count` this is, from 0. The first one leads: it alone writes and tells."""

    rank: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes the run's files."""
        return self.rank == 0

    def part(self, places_B: NDArray[np.int64]) -> NDArray[np.int64]:
        """This process's share: every `count`-th, so that all get tickets of like length."""
        return places_B[self.rank :: self.count]

    def deals(self, number: int) -> bool:
        """Whether this process does the piece of that number, counted from 0."""
        return number % self.count == self.rank

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Adds each tensor up over all processes, in place, in one exchange for each type."""
        if self.count == 1 or not tensors:
            return
        for kind in sorted({one.dtype for one in tensors}, key=str):
            same = [one for one in tensors if one.dtype == kind]
            flat = torch.cat([one.reshape(-1) for one in same])
            torch.distributed.all_reduce(flat)
            pieces = torch.split(flat, [one.numel() for one in same])
            for one, whole in zip(same, pieces, strict=True):
                one.copy_(whole.view_as(one))

    def wait(self) -> None:
        """Until every process is here."""
        if self.count > 1:
            torch.distributed.barrier()

    @contextmanager
    def in_turn(self, really: bool = True) -> Iterator[None]:
        """The process that leads goes through first, the others after it; all at once if not
        `really`.
        """
        if really and not self.leads:
            self.wait()
        yield
        if really and self.leads:
            self.wait()

    @contextmanager
    def own(self, directory: Path) -> Iterator[Path]:
        """The run's directory for the process that leads, a temporary one for every other."""
        if self.leads:
            yield directory
            return
        with tempfile.TemporaryDirectory(prefix="harbor-") as scratch:
            yield Path(scratch)


ALONE = Processes()


def joined() -> Processes:
    """The processes that `torchrun` started; one where nothing did. Joins them on first call."""
    if "LOCAL_RANK" not in os.environ:
        return ALONE
    state = PartialState(cpu=not torch.cuda.is_available())
    return Processes(state.process_index, state.num_processes)
