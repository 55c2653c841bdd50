"""Rows come in; a CSV file in the schema that `read_table` reads goes out."""

import csv
import gzip
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from training.data.table import Row

TASKS = ("category", "urgency", "queue")


def write_csv(path: Path, rows: Iterable[Row], tasks: Sequence[str] = TASKS) -> None:
    """Writes `id,subject,body,<tasks>,created_at,source` in UTF-8; `.csv.gz` is compressed.

    A missing label is empty. Equal rows give equal bytes.
    """
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["id", "subject", "body", *tasks, "created_at", "source"])
    for row in rows:
        when = row.created_at.strftime("%Y-%m-%dT%H:%M:%SZ") if row.created_at else ""
        labels = [row.labels.get(task, "") for task in tasks]
        writer.writerow([row.id, row.subject, row.body, *labels, when, row.source])
    data = stream.getvalue().encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
