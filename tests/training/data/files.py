"""What the tests of reading share: a task to ask for, and files of tickets in each format."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = ("id", "subject", "body", "category", "urgency", "queue", "created_at", "source")


@dataclass(frozen=True)
class Wanted:
    """A task that a run asks for; labels are None where the run does not fix them."""

    name: str
    labels: tuple[str, ...] | None = None


TASKS = (Wanted("category"), Wanted("urgency"), Wanted("queue"))

Fields = Mapping[str, str]


def ticket(row_id: str, body: str, **fields: str) -> Fields:
    """A row's fields; those that are not named are empty."""
    return {**dict.fromkeys(COLUMNS, ""), "id": row_id, "body": body, **fields}


def write_csv_file(path: Path, rows: Sequence[Fields]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_jsonl_file(path: Path, rows: Sequence[Fields]) -> Path:
    lines = [json.dumps({key: value or None for key, value in row.items()}) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_parquet_file(path: Path, rows: Sequence[Fields]) -> Path:
    columns = {column: [row[column] or None for row in rows] for column in COLUMNS}
    pq.write_table(
        pa.table({key: pa.array(values, pa.string()) for key, values in columns.items()}), path
    )
    return path
