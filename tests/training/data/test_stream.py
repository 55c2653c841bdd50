"""Streaming: what is read from disk is what is read into memory, in memory that does not grow."""

import csv
import gzip
import json
import random
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from service.contract.tasks import Task
from service.contract.tokens import Tokenizer
from tests.tiny_bundle import tokenizer_definition
from tests.training.data.files import (
    TASKS,
    Fields,
    Wanted,
    ticket,
    write_csv_file,
    write_jsonl_file,
    write_parquet_file,
)
from training.data.dataset import UNLABELLED, Dataset, encode_rows
from training.data.read import infer_tasks, read_table
from training.data.rejects import Rejects
from training.data.split import SPLITS, label_shares, read_splits, split_by_group
from training.data.stream import StreamedDesk, prepare_stream
from training.data.stream.lines import MOST_CHARACTERS
from training.data.stream.merge import merge
from training.data.stream.records import open_source
from training.data.table import Row, Table, text_key
from training.errors import DataError, TooFewLabels, TooManyRejects, UnknownColumn
from training.single import labelled_tickets

SHARES = {"train": 0.4, "validation": 0.2, "calibration": 0.2, "test": 0.2}
SEED = 3
LIMIT = 12


def tokenizer() -> Tokenizer:
    return Tokenizer(tokenizer_definition(), LIMIT)


def messy(rows: int = 400, seed: int = 1) -> list[Fields]:
    """Rows with repeated texts and ids, labels that clash or are missing, and broken times."""
    chance = random.Random(seed)
    found = []
    for number in range(rows):
        row_id = f"t{chance.randrange(rows)}" if chance.random() < 0.1 else f"t{number}"
        body = (
            f"please reset the {chance.choice(['mail', 'Mail', 'login'])} {chance.randrange(200)}"
        )
        labels = {
            task: chance.choice(["", *names])
            for task, names in {
                "category": ["billing", "technical"],
                "urgency": ["P0", "P1", "P2"],
                "queue": ["web", "payments", "mobile"],
            }.items()
        }
        when = "yesterday" if chance.random() < 0.02 else "2026-01-01T10:00:00Z"
        subject = 'a "quoted",\nline' if chance.random() < 0.1 else ""
        found.append(
            ticket(
                "" if number % 50 == 0 else row_id,
                body,
                subject=subject,
                created_at=when,
                source="mail",
                **labels,
            )
        )
    return found


def assign(table: Table, groups: Mapping[str, str]) -> dict[str, str]:
    return split_by_group(table, SHARES, SEED, groups)


def tasks_of(table: Table) -> tuple[Task, ...]:
    return infer_tasks(table, [task.name for task in TASKS], min_count=2)


def streamed(
    data: Path, directory: Path, wanted: Sequence[Wanted] = TASKS, limit: float = 1.0
) -> StreamedDesk:
    directory.mkdir(exist_ok=True)
    names = {task.name: task.labels for task in wanted}
    return prepare_stream(data, directory, names, tasks_of, assign, limit, lambda _: None)


def held(data: Path, desk: StreamedDesk) -> tuple[Table, Rejects, dict[str, tuple[Row, ...]]]:
    """The same file through memory."""
    table, rejects = read_table(data, TASKS, max_reject_share=1.0)
    split = assign(table, {row.id: text_key(row.text) for row in table.rows})
    rows = {name: tuple(row for row in table.rows if split[row.id] == name) for name in SPLITS}
    assert tasks_of(table) == desk.tasks
    assert label_shares(table, split, desk.tasks) == desk.label_shares()
    return table, rejects, rows


def gzipped(path: Path, rows: Sequence[Fields]) -> Path:
    plain = write_csv_file(path.with_suffix(""), rows)
    path.write_bytes(gzip.compress(plain.read_bytes()))
    return path


WRITERS: dict[str, Callable[[Path, Sequence[Fields]], Path]] = {
    "tickets.csv": write_csv_file,
    "tickets.csv.gz": gzipped,
    "tickets.jsonl": write_jsonl_file,
    "tickets.parquet": write_parquet_file,
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_streamed_file_gives_what_the_same_file_in_memory_gives(
    name: str, tmp_path: Path
) -> None:
    data = WRITERS[name](tmp_path / name, messy())
    desk = streamed(data, tmp_path / "run")
    table, rejects, rows = held(data, desk)
    assert desk.table.fingerprint == table.fingerprint
    assert len(desk.table) == len(table)
    assert {split: len(part) for split, part in rows.items()} == desk.tickets
    assert desk.table.found.rejected == rejects.rejected_rows > 0
    assert desk.table.found.made_ids == rejects.made_ids > 0
    assert sorted(desk.table.found.summary().splitlines()) == sorted(rejects.summary().splitlines())
    for tasks in (desk.tasks, desk.tasks[:1], desk.tasks[1:]):
        assert desk.labelled(tasks) == labelled_tickets(rows["train"], tasks) > 0
    found = desk.encode(tokenizer())
    for split, part in rows.items():
        same(found[split], encode_rows(part, desk.tasks, tokenizer()))


def same(found: Dataset, expected: Dataset) -> None:
    assert list(found.ids) == list(expected.ids)
    assert found.ids[-1] == expected.ids[-1]
    np.testing.assert_array_equal(found.labels_NT, expected.labels_NT)
    np.testing.assert_array_equal(found.lengths_N, expected.lengths_N)
    some_M = np.array([1, len(found) - 1])
    assert list(found.only(some_M).ids) == [expected.ids[at] for at in some_M]
    assert found.only(some_M).labels_NT.tolist() == expected.labels_NT[some_M].tolist()
    for one, other in zip(found.tokens, expected.tokens, strict=True):
        assert one.ids.tolist() == other.ids.tolist()
        assert one.truncated == other.truncated
    for task in found.tasks:
        np.testing.assert_array_equal(found.labelled(task.name), expected.labelled(task.name))
    some = [0, len(found) - 1, len(found) // 2]
    mine, theirs = found.batch(some), expected.batch(some)
    assert mine.ids.tolist() == theirs.ids.tolist()
    assert mine.mask.tolist() == theirs.mask.tolist()
    assert all(mine.labels[task].tolist() == theirs.labels[task].tolist() for task in mine.labels)
    for one_B, other_B in zip(found.by_length(64), expected.by_length(64), strict=True):
        np.testing.assert_array_equal(one_B, other_B)


def test_the_lists_beside_a_streamed_run_are_those_of_one_in_memory(tmp_path: Path) -> None:
    data = write_csv_file(tmp_path / "tickets.csv", messy())
    desk = streamed(data, tmp_path / "run")
    table, rejects, rows = held(data, desk)
    split = {row.id: name for name, part in rows.items() for row in part}
    assert read_splits(tmp_path / "run" / "splits.csv") == split
    assert list(read_splits(tmp_path / "run" / "splits.csv")) == [row.id for row in table.rows]
    with (tmp_path / "run" / "rejects.csv").open(newline="") as stream:
        listed = [(*list(line.values())[:4], line["action"]) for line in csv.DictReader(stream)]
    expected = [
        (str(one.row), str(one.line), one.column, one.rule, one.action)
        for one in sorted(rejects.items, key=lambda one: (one.row, one.column))
    ]
    assert listed == expected


@pytest.mark.parametrize("part_rows", [1, 7, 100])
def test_merging_in_parts_is_merging_at_once(part_rows: int, tmp_path: Path) -> None:
    chance = np.random.default_rng(4)
    kind = [("text", "<u8"), ("id", "<u8"), ("split", "u1"), ("labels", "<i4", (2,))]
    entries = np.zeros(300, kind)
    entries["text"], entries["id"] = chance.integers(0, 90, 300), chance.integers(0, 250, 300)
    entries["labels"] = chance.integers(-1, 3, (300, 2))
    one, other = entries.copy(), entries.copy()
    whole = merge(one, tmp_path / "whole")
    parted = merge(other, tmp_path / "parted", part_rows)
    np.testing.assert_array_equal(whole, parted)
    np.testing.assert_array_equal(one, other)
    assert set(whole.tolist()) == {0, 1, 2}


BROKEN = [
    'id,subject,body,category,urgency,queue\n1,a,b c,x,P0,q\n2,"a" b,c,y,P1,r\n3,a,d,x,P0,q\n',
    'id,subject,body,category,urgency,queue\n1,"never shut,b,x,P0,q\n2,a,"c\nd",y,P1,r\n\n3,,,,,\n',
    "id,subject,body,category,urgency,queue\r\n1,a,b,x,P0,q\r2,a,c,y\r\n\n3,a,d,,,,z\n4,\xe9,e,,,",
    '\ufeffid,body,category,urgency,queue\n1,"a ""quoted"" b",x,P0,q\n"2","c\r\nd",x,P0,q',
    "id,body,category,urgency,queue\n",
]


@pytest.mark.parametrize("text", BROKEN)
def test_broken_csv_is_read_row_by_row_as_in_memory(text: str, tmp_path: Path) -> None:
    from training.data.formats.csv_file import read_csv

    path = tmp_path / "broken.csv"
    path.write_bytes(text.encode("latin-1" if "\xe9" in text else "utf-8"))
    source = open_source(path, TASKS)
    assert list(source.records()) == list(read_csv(path).records)
    assert list(source.records()) == list(source.records())


def test_jsonl_columns_may_come_late_and_a_line_that_is_no_object_is_a_fault(
    tmp_path: Path,
) -> None:
    from training.data.formats.jsonl import read_jsonl

    path = tmp_path / "late.jsonl"
    first, last = {"body": "a"}, {"category": "x", "urgency": "P0", "queue": None, "id": 3}
    path.write_text(f"{json.dumps(first)}\n\n[1]\nnot json\n{json.dumps(last)}\n")
    assert list(open_source(path, TASKS).records()) == list(read_jsonl(path).records)


@pytest.mark.parametrize(
    ("name", "content", "error", "said"),
    [
        ("t.txt", b"a", DataError, r"must end in one of \.csv"),
        ("t.csv", b"", DataError, "is empty"),
        ("t.csv", b"\xff\xfea", DataError, "byte order mark of UTF-16"),
        ("t.csv", b"id,category,urgency,queue\n", UnknownColumn, "neither a subject nor a body"),
        ("t.csv", b"id,body,category,urgency\n", UnknownColumn, "no column for the task queue"),
        ("t.csv.gz", b"no gzip", DataError, "cannot be read"),
        ("t.jsonl", b"\n", DataError, "must be a JSON object"),
        ("t.parquet", b"PAR1", DataError, "cannot be read as Parquet"),
        ("t.csv", b"id,body,category,urgency,queue\n", DataError, "holds no rows"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(
    name: str, content: bytes, error: type[DataError], said: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=said):
        streamed(tmp_path / name, tmp_path / "run")


def test_a_line_without_an_end_is_refused_before_it_fills_memory(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text("x" * (MOST_CHARACTERS + 1))
    with pytest.raises(DataError, match="a line must be shorter than 16,777,216 characters"):
        streamed(tmp_path / "t.jsonl", tmp_path / "run")


def test_too_many_bad_rows_stop_the_run_after_they_were_listed(tmp_path: Path) -> None:
    data = write_csv_file(tmp_path / "tickets.csv", messy())
    with pytest.raises(TooManyRejects, match=r"rows were rejected, at most 0\.1% may be"):
        streamed(data, tmp_path / "run", limit=0.001)
    assert len((tmp_path / "run" / "rejects.csv").read_text().splitlines()) > 100


def test_a_task_without_a_label_in_a_split_is_refused(tmp_path: Path) -> None:
    rows = [ticket(f"t{at}", f"b{at}", category="xy"[at % 2], urgency="P0") for at in range(80)]
    keys = {row["id"]: text_key(row["body"]) for row in rows}
    split = assign(Table(tuple(Row(one, "", "", {}) for one in keys)), keys)
    rows = [
        {
            **row,
            "urgency": f"P{at % 2}",
            "queue": "" if split[row["id"]] == "test" else "ab"[at % 2],
        }
        for at, row in enumerate(rows)
    ]
    data = write_csv_file(tmp_path / "tickets.csv", rows)
    rule = "task queue needs a labelled ticket in every split, found none among the [0-9]+ of test"
    with pytest.raises(TooFewLabels, match=rule):
        streamed(data, tmp_path / "run")


def test_a_run_that_goes_on_reads_nothing_again_and_a_changed_file_is_refused(
    tmp_path: Path,
) -> None:
    data = write_csv_file(tmp_path / "tickets.csv", messy())
    first = streamed(data, tmp_path / "run").encode(tokenizer())
    folder = tmp_path / "run" / "stream"
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = streamed(data, tmp_path / "run").encode(tokenizer())
    assert before == {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    same(again["train"], first["train"])
    with pytest.raises(DataError, match="the tokenizer or the tasks changed"):
        streamed(data, tmp_path / "run").encode(Tokenizer(tokenizer_definition(), LIMIT + 1))
    write_csv_file(data, messy(seed=2))
    with pytest.raises(DataError, match="has changed since the run began"):
        streamed(data, tmp_path / "run")


def test_a_sample_is_spread_over_the_split_and_carries_its_own_texts(tmp_path: Path) -> None:
    data = write_csv_file(tmp_path / "tickets.csv", messy())
    desk = streamed(data, tmp_path / "run")
    _, _, rows = held(data, desk)
    at_M, texts = desk.sample("train", 20)
    assert len(at_M) == len(texts) == 20
    assert (at_M[0], at_M[-1]) == (0, len(rows["train"]) - 1)
    assert texts == [rows["train"][at].text for at in at_M]
    every, all_texts = desk.sample("test", 10_000)
    assert all_texts == [row.text for row in rows["test"]]
    assert len(every) == len(rows["test"])


def test_rare_and_foreign_labels_are_missing(tmp_path: Path) -> None:
    rows = [*messy(), ticket("t-once", "a text of its own", category="once")]
    desk = streamed(write_csv_file(tmp_path / "tickets.csv", rows), tmp_path / "run")
    assert desk.table.label_counts("category")["once"] == 1
    assert "once" not in desk.tasks[0].labels
    parts = desk.encode(tokenizer()).values()
    at = [list(part.ids).index("t-once") for part in parts if "t-once" in part.ids]
    found = [part.labels("category")[at[0]] for part in parts if "t-once" in part.ids]
    assert found == [UNLABELLED]


LIMITED = """
import resource, sys
from pathlib import Path
from tests.training.data.test_stream import TASKS, read_table, streamed, tokenizer
tokenizer().encode_batch(["a", "b"])
status = Path("/proc/self/status").read_text()
used = int(status.partition("VmData:")[2].split()[0]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (used + int(sys.argv[2]), -1))
data = Path(sys.argv[1])
found = streamed(data, data.parent / "run").encode(tokenizer())
print(sum(len(part.batch([0]).ids) for part in found.values()), "batches")
try:
    read_table(data, TASKS)
except MemoryError:
    print("cannot be held")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA counts all memory on Linux alone")
def test_a_file_larger_than_memory_is_streamed_where_it_cannot_be_held(tmp_path: Path) -> None:
    data, allowed = tmp_path / "large.csv", 8 << 20
    names = {"category": ("x", "y"), "urgency": ("P0", "P1"), "queue": ("a", "b")}
    log = "x" * 38_000
    rows = [
        ticket(
            f"t{at}", f"ticket {at} {log}", **{task: both[at % 2] for task, both in names.items()}
        )
        for at in range(700)
    ]
    write_csv_file(data, rows)
    assert data.stat().st_size > 3 * allowed
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(data), str(allowed)],
        capture_output=True,
        text=True,
        check=False,
        env={"TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1", "PATH": ""},
    )
    assert done.stdout == "4 batches\ncannot be held\n", done.stderr[-2000:]
