"""Values of differing length come in; a file that each of them can be read from goes out."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from training.data.stream.index import mapped
from training.data.stream.store import _Ids, _Ragged


class RaggedWriter:
    """The files `folder/name` and `folder/name_end`: opened by `with`, closed after it."""

    def __init__(self, folder: Path, name: str) -> None:
        self._values = (folder / name).open("wb")
        self._ends = _ends(folder, name).open("wb")
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._values.close()
        self._ends.close()

    def add(self, values: Sequence[bytes]) -> None:
        """Appends one item for each of the values."""
        self._values.write(b"".join(values))
        ends = self._end + np.cumsum([len(value) for value in values], dtype="<i8")
        self._ends.write(ends.tobytes())
        self._end = int(ends[-1]) if len(ends) else self._end


def open_ragged(folder: Path, name: str, kind: Any) -> _Ragged:
    """What a RaggedWriter wrote, as arrays of `kind`."""
    return _Ragged(mapped(folder / name, kind), mapped(_ends(folder, name), "<i8"))


def open_names(folder: Path, name: str) -> Sequence[str]:
    """What a RaggedWriter wrote, as texts in UTF-8."""
    return _Ids(open_ragged(folder, name, np.uint8))


def _ends(folder: Path, name: str) -> Path:
    return folder / f"{name}_end"
