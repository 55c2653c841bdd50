"""A CSV, JSONL or Parquet file comes in; its records go out one after another, as often as asked.

The same records as the readers of `training.data.formats` give, which hold the whole file.
"""

import csv
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from training.data.formats.csv_file import FIELD_LIMIT, _header
from training.data.formats.csv_file import _record as csv_record
from training.data.formats.jsonl import _record as jsonl_record
from training.data.formats.parquet import _records as parquet_records
from training.data.formats.record import Record
from training.data.read import _check_columns
from training.data.rows import TaskSpec
from training.data.stream.lines import Rewindable, TooLong, read_lines
from training.errors import DataError

OWN = ("id", "subject", "body", "created_at", "source")
_ROWS = 1024


@dataclass(frozen=True)
class Source:
    """A file and how it is read; `records` starts at its beginning each time it is called."""

    path: Path
    records: Callable[[], Iterator[Record]]


def open_source(path: Path, tasks: Sequence[TaskSpec]) -> Source:
    """The file, its columns checked. Raises DataError, UnknownColumn."""
    wanted = (*OWN, *(task.name for task in tasks))
    columns, records = _reader(path)(path, wanted)
    _check_columns(path, columns, tasks)
    return Source(path, records)


_Opened = tuple[Collection[str], Callable[[], Iterator[Record]]]


def _reader(path: Path) -> Callable[[Path, Collection[str]], _Opened]:
    suffix = "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix
    if suffix.lower() not in _READERS:
        raise DataError(f"{path.name} must end in one of {', '.join(_READERS)}")
    return _READERS[suffix.lower()]


def _csv(path: Path, wanted: Collection[str]) -> _Opened:  # noqa: ARG001 (one shape for all formats)
    csv.field_size_limit(FIELD_LIMIT)
    header = _header(path, list(islice(read_lines(path), 1)))
    return header, lambda: _csv_records(path, header)


def _csv_records(path: Path, header: list[str]) -> Iterator[Record]:
    """As `formats.csv_file` has it: after a fault of quoting, reading goes on one line below."""
    lines = Rewindable(read_lines(path))
    next(lines)
    number, line = 0, 1 + lines.end_row()
    reader = csv.reader(lines, strict=True)
    while True:
        values: list[str] | None = None
        try:
            values = next(reader)
        except StopIteration:
            return
        except (csv.Error, TooLong):
            lines.go_back()
            reader = csv.reader(lines, strict=True)
        if values != []:  # A blank line is no row.
            number += 1
            yield csv_record(number, line, header, values)
        line += lines.end_row() or 1


def _jsonl(path: Path, wanted: Collection[str]) -> _Opened:
    """Columns are looked for until all that are wanted are found: usually in the first line."""
    columns: set[str] = set()
    for record in _jsonl_records(path):
        columns.update(record.fields, record.faults)
        if columns.issuperset(wanted):
            break
    if not columns:
        raise DataError(f"{path.name}: every line must be a JSON object with named fields")
    return columns, lambda: _jsonl_records(path)


def _jsonl_records(path: Path) -> Iterator[Record]:
    number = 0
    for line, text in enumerate(read_lines(path), start=1):
        if text.strip():
            number += 1
            yield jsonl_record(number, line, text)


def _parquet(path: Path, wanted: Collection[str]) -> _Opened:
    try:
        columns = pq.read_schema(path).names
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path.name} cannot be read as Parquet: {reason}") from error
    known = [name for name in columns if name in wanted]
    return columns, lambda: _parquet_records(path, known)


def _parquet_records(path: Path, columns: list[str]) -> Iterator[Record]:
    number = 0
    try:
        with pq.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as file:
            for batch in file.iter_batches(batch_size=_ROWS, columns=columns):
                for record in parquet_records(pa.Table.from_batches([batch])):
                    yield replace(record, number=number + record.number)
                number += batch.num_rows
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path.name} cannot be read as Parquet: {reason}") from error


_READERS: Mapping[str, Callable[[Path, Collection[str]], _Opened]] = {
    ".csv": _csv,
    ".csv.gz": _csv,
    ".jsonl": _jsonl,
    ".jsonl.gz": _jsonl,
    ".parquet": _parquet,
}
