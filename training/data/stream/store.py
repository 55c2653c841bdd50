"""Tokens, labels and ids of a split go into files; a data set that reads them where they lie comes
out.

Shapes: N tickets, T tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast, overload

import numpy as np
from numpy.typing import NDArray

from service.contract.tasks import Task
from service.contract.tokens import Tokens
from training.data.dataset import Dataset
from training.data.stream.index import mapped

LABELS = np.int64
"""What PyTorch takes as a class index, so that no batch is converted."""


@dataclass(frozen=True)
class StreamedDataset(Dataset):
    """A `Dataset` whose ids, tokens and labels are read from disk when they are asked for."""

    @property
    def lengths_N(self) -> NDArray[np.int64]:
        """Tokens of each ticket."""
        return cast("_Tickets", self.tokens).lengths_N


class SplitWriter:
    """The files of one split, `directory/name.*`: opened by `with`, closed after it."""

    def __init__(self, directory: Path, name: str) -> None:
        self._files = {
            part: (directory / f"{name}.{part}").open("wb")
            for part in ("tokens", "tokens_end", "cut", "ids", "ids_end", "labels")
        }
        self._ends = {"tokens": 0, "ids": 0}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self._files.values():
            file.close()

    def add(
        self, ids: Sequence[str], tickets: Sequence[Tokens], labels_NT: NDArray[np.integer]
    ) -> None:
        """Appends tickets."""
        self._append("tokens", [ticket.ids.astype("<u4").tobytes() for ticket in tickets])
        self._append("ids", [one.encode() for one in ids])
        self._files["cut"].write(bytes(ticket.truncated for ticket in tickets))
        self._files["labels"].write(labels_NT.astype(LABELS).tobytes())

    def _append(self, part: str, values: list[bytes]) -> None:
        self._files[part].write(b"".join(values))
        ends = self._ends[part] + np.cumsum([len(value) for value in values], dtype="<i8")
        self._files[f"{part}_end"].write(ends.tobytes())
        self._ends[part] = int(ends[-1]) if len(ends) else self._ends[part]


def open_split(directory: Path, name: str, tasks: tuple[Task, ...], pad_id: int) -> StreamedDataset:
    """What a SplitWriter wrote."""

    def ragged(part: str, kind: Any) -> "_Ragged":
        place = directory / f"{name}.{part}"
        return _Ragged(mapped(place, kind), mapped(directory / f"{name}.{part}_end", "<i8"))

    labels_NT = mapped(directory / f"{name}.labels", LABELS).reshape(-1, len(tasks))
    cut_N = mapped(directory / f"{name}.cut", np.bool_)
    # Sequences that only look: `Dataset` asks for tuples, and uses them as sequences.
    return StreamedDataset(
        ids=cast("tuple[str, ...]", _Ids(ragged("ids", np.uint8))),
        tokens=cast("tuple[Tokens, ...]", _Tickets(ragged("tokens", "<u4"), cut_N)),
        labels_NT=labels_NT,
        tasks=tasks,
        pad_id=pad_id,
    )


@dataclass(frozen=True)
class _Ragged:
    """Values one after another, and the byte (N,) at which each item ends."""

    values: NDArray[Any]
    ends_N: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ends_N)

    def at(self, position: int) -> NDArray[Any]:
        """The values of one item; a place from the end is negative. Raises IndexError."""
        if not -len(self) <= position < len(self):
            raise IndexError(f"there are {len(self)} tickets, asked for {position}")
        place = position % len(self)
        start = int(self.ends_N[place - 1]) if place else 0
        size = self.values.itemsize
        return self.values[start // size : int(self.ends_N[place]) // size]


@dataclass(frozen=True)
class _Ids(Sequence[str]):
    of: _Ragged

    def __len__(self) -> int:
        return len(self.of)

    @overload
    def __getitem__(self, position: int) -> str: ...
    @overload
    def __getitem__(self, position: slice) -> tuple[str, ...]: ...
    def __getitem__(self, position: int | slice) -> str | tuple[str, ...]:
        if isinstance(position, slice):
            return tuple(self[at] for at in range(*position.indices(len(self))))
        return self.of.at(position).tobytes().decode()


@dataclass(frozen=True)
class _Tickets(Sequence[Tokens]):
    of: _Ragged
    cut_N: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.of)

    @property
    def lengths_N(self) -> NDArray[np.int64]:
        ends_N = self.of.ends_N
        return np.diff(ends_N, prepend=0) // self.of.values.itemsize

    @overload
    def __getitem__(self, position: int) -> Tokens: ...
    @overload
    def __getitem__(self, position: slice) -> tuple[Tokens, ...]: ...
    def __getitem__(self, position: int | slice) -> Tokens | tuple[Tokens, ...]:
        if isinstance(position, slice):
            return tuple(self[at] for at in range(*position.indices(len(self))))
        return Tokens(self.of.at(position).astype(np.int64), bool(self.cut_N[position]))
