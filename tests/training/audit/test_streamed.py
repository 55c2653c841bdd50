"""A desk on disk is judged as the same desk in memory, in memory that does not grow with it."""

import csv
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from tests.training.audit.planted import of, rows, written
from tests.training.data.files import ticket, write_csv_file
from tests.training.desk import tiny_config
from training import noise
from training.audit import columns, run_audit
from training.audit.audit import audit_of
from training.audit.command import relabel
from training.audit.material import _SILENT, Material, _held, gather, only
from training.audit.splits import EXACT, NEAR
from training.audit.streamed import MOST_SOURCES, StreamedMaterial
from training.audit.tickets import Texts, Tickets, batches
from training.audit.words import WORDS
from training.config import dump_config, parse_config
from training.data.sample.agents import CATEGORIES
from training.data.split import SPLITS
from training.data.table import Row
from training.doctor import examine
from training.doctor.drawing import as_dataset
from training.errors import DataError
from training.noise import doubts_of
from training.prepare import note_origin, prepare_rows

STREAMING = parse_config({"data": {"stream": True}}, "test")
TICKETS = 500


@lru_cache(maxsize=1)
def tickets() -> tuple[Row, ...]:
    """Tickets in no order of time, some undated, copied, nearly copied, and tagged with their
    category.
    """
    chance, found = random.Random(8), list[Row]()
    for place, row in enumerate(rows(TICKETS)):
        label = row.labels.get("category")
        tag = "" if label is None or chance.random() < 0.3 else f" zz{CATEGORIES.index(label)}"
        when = None if place % 40 == 0 else row.created_at
        found.append(replace(row, body=f"{row.body}{tag}", created_at=when))
    near = [replace(row, id=f"near-{row.id}", body=f"{row.body} again") for row in found[:80:2]]
    same = [replace(row, id=f"same-{row.id}") for row in found[100:140]]
    chance.shuffle(found)
    return (*found, *near, *same)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return written(tmp_path / "desk.csv", tickets())


def splits_of(path: Path) -> Path:
    """A file of splits that names copies, a stranger, and not every ticket."""
    found = {row.id: SPLITS[place % 4] for place, row in enumerate(tickets()) if place % 9}
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("id", "split"), *found.items(), ("stranger", "test")])
    return path


def pairs(found: Tickets) -> list[tuple[int, int]]:
    """Each copy's ticket and split, in no order of the file."""
    places, splits = found.copies
    return sorted(zip(places.tolist(), splits.tolist(), strict=True))


@contextmanager
def both(data: Path, place: Path, splits: Path | None = None) -> Iterator[tuple[Tickets, Material]]:
    """One file with the split of a streamed run: on disk, and in memory."""
    directory = place / "held"
    directory.mkdir()
    note_origin(directory, data)
    held = _held(prepare_rows(STREAMING, directory, _SILENT), directory, data, splits)
    with gather(data, STREAMING, splits) as streamed:
        assert isinstance(streamed, StreamedMaterial)
        yield streamed, held


@pytest.mark.parametrize("given", [False, True])
def test_what_is_known_of_a_streamed_ticket_is_what_is_known_in_memory(
    given: bool, data: Path, tmp_path: Path
) -> None:
    splits = splits_of(tmp_path / "splits.csv") if given else None
    with both(data, tmp_path, splits) as (streamed, held):
        assert len(streamed) == len(held) == TICKETS + 40
        assert (streamed.fingerprint, streamed.tasks) == (held.fingerprint, held.tasks)
        assert list(streamed.ids) == list(held.ids)
        assert list(streamed.texts()) == list(held.texts())
        assert (streamed.groups, streamed.given) == (held.groups, given)
        assert streamed.characters == held.characters
        np.testing.assert_array_equal(streamed.split_N, held.split_N)
        np.testing.assert_array_equal(streamed.group_N, held.group_N)
        np.testing.assert_array_equal(streamed.times_N, held.times_N)
        np.testing.assert_array_equal(streamed.words_N, held.words_N)
        assert pairs(streamed) == pairs(held)
        assert (len(held.copies[0]) > 20) == given
        for task in held.tasks:
            np.testing.assert_array_equal(streamed.labels[task.name], held.labels[task.name])
        assert streamed.columns.keys() == held.columns.keys()
        for name, column in held.columns.items():
            np.testing.assert_array_equal(streamed.columns[name], column)
        places = np.array([0, 7, len(held) - 1])
        assert list(Texts(streamed, places)) == list(Texts(held, places))
        thin, same = only(streamed, places), only(held, places)
        assert [row.id for row in thin.rows] == [row.id for row in same.rows]
        np.testing.assert_array_equal(thin.split_N, same.split_N)


@pytest.mark.parametrize("given", [False, True])
def test_the_audit_of_a_stream_is_that_of_memory(given: bool, data: Path, tmp_path: Path) -> None:
    with both(data, tmp_path, splits_of(tmp_path / "s.csv") if given else None) as (disk, memory):
        streamed, held = audit_of(disk, data.name), audit_of(memory, data.name)
    assert of(held.findings, NEAR).severity == "fail"
    if given:
        assert of(held.findings, EXACT).figure > 0.0
    assert of(held.findings, WORDS, "category").figure > 0.5
    # A word on fewer than a quarter of a label's tickets is no finding, and not looked for on disk.
    rare = {one.about for one in held.findings if one.check == WORDS and one.figure < 0.25}
    for one, other in zip(streamed.findings, held.findings, strict=True):
        if one.check == WORDS and one.about in rare:
            assert (one.severity, other.severity) == ("pass", "pass")
        else:
            assert one == other


def test_the_labels_in_doubt_and_the_draws_of_a_stream_are_those_of_memory(
    data: Path, tmp_path: Path
) -> None:
    with both(data, tmp_path) as (streamed, held):
        assert doubts_of(streamed, 3) == doubts_of(held, 3)
        outline, whole = as_dataset(streamed), as_dataset(held)
        np.testing.assert_array_equal(outline.labels_NT, whole.labels_NT)
        np.testing.assert_array_equal(outline.lengths_N, whole.lengths_N)


def test_labels_are_judged_in_parts_that_hold_every_rare_label_whole(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels_N = np.array([0] * 100 + [1] * 100 + [2] * 7 + [3] * 7 + [-1] * 9)
    part_N = noise._parts(labels_N, 4)
    for label, parts in ((0, 4), (1, 4), (2, 1), (3, 1)):
        counts = np.bincount(part_N[labels_N == label], minlength=4)
        assert (counts > 0).sum() == parts
        assert parts == 1 or counts.min() == 25
    monkeypatch.setattr(noise, "MOST_CELLS", 2000)
    with both(data, tmp_path) as (streamed, held):
        for one, other in zip(doubts_of(streamed, 3), doubts_of(held, 3), strict=True):
            assert one.tickets == other.tickets


def test_splits_that_name_no_ticket_or_no_split_are_refused(data: Path, tmp_path: Path) -> None:
    other = tmp_path / "splits.csv"
    for line, rule in (("stranger,train", "names none of the"), ("t1,tests", "names 1 splits")):
        other.write_text(f"id,split\n{line}\n")
        with pytest.raises(DataError, match=rule):
            run_audit(data, STREAMING, other)


def test_a_source_of_too_many_values_is_said_not_to_be_looked_at(tmp_path: Path) -> None:
    def sourced(sources: int) -> Path:
        found = [
            ticket(f"t{at}", f"text {at}", category="ab"[at % 2], source=f"s{at % sources}")
            for at in range(MOST_SOURCES + 50)
        ]
        return write_csv_file(tmp_path / f"{sources}.csv", found)

    config = parse_config({"data": {"stream": True}, "tasks": {"category": {}}}, "test")
    with gather(sourced(MOST_SOURCES), config) as few:
        assert few.columns["source"].max() == MOST_SOURCES - 1
        assert not few.uncounted
    with gather(sourced(MOST_SOURCES + 1), config) as many:
        assert "source" not in many.columns
        said = of(columns.check(many), columns.LABEL)
        assert "too many different values" in said.said
        assert said.severity == "warn"


def test_texts_come_in_lists_of_bounded_size() -> None:
    assert [len(part) for part in batches(iter(["ab"] * 7), 4)] == [2, 2, 2, 1]
    assert [len(part) for part in batches(["x"] * 2049)] == [1024, 1024, 1]
    assert list(batches([])) == []


def large(path: Path, tickets: int, characters: int) -> Path:
    """Tickets with long logs; a few words decide the category."""
    chance = random.Random(2)
    log = " ".join(["x" * 999] * (characters // 1000))
    found = []
    for at in range(tickets):
        words = " ".join(f"w{chance.randrange(40 * tickets)}" for _ in range(30))
        body = f"{'ab'[at % 2]}{chance.randrange(4)} ticket {at} {words} {log}"
        labels = {"category": "xy"[at % 2], "urgency": f"P{at // 2 % 2}"}
        found.append(ticket(f"t{at}", body, created_at=f"2026-01-{at % 28 + 1:02}", **labels))
    return write_csv_file(path, found)


def judge_all(data: Path, encoder: Path) -> tuple[int, int, str]:
    """Audits and examines, and queues labels: findings, checks, and what the last one says."""
    config = tiny_config(encoder, data={"stream": True})
    place = data.parent / "run.yaml"
    place.write_text(dump_config(config))
    with (data.parent / "shown").open("w+") as shown:
        console = Console(width=200, file=shown)
        arguments = {"run": None, "folds": 2, "seed": 0, "console": console}
        relabel(data=data, config=place, out=data.parent / "queue.csv", **arguments)
        shown.seek(0)
        said = shown.read().rstrip().rpartition("\n")[2]
    return len(run_audit(data, config).findings), len(examine(data, config)), said


LIMITED = """
import resource, sys
from pathlib import Path
from tests.training.audit.test_streamed import judge_all, large
from tests.training.data.files import TASKS
from training.data.read import read_table
data, encoder = Path(sys.argv[1]), Path(sys.argv[2])
(data.parent / "warm").mkdir()
judge_all(large(data.parent / "warm" / "desk.csv", 80, 1000), encoder)
status = Path("/proc/self/status").read_text()
used = int(status.partition("VmData:")[2].split()[0]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (used + int(sys.argv[3]), -1))
print(judge_all(data, encoder)[2])
try:
    read_table(data, TASKS[:2])
except MemoryError:
    print("cannot be held")
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA counts all memory on Linux alone")
def test_a_file_larger_than_memory_is_judged_where_it_cannot_be_held(
    encoder: Path, tmp_path: Path
) -> None:
    data, allowed = tmp_path / "large.csv", 60 << 20
    large(data, 1100, 75_000)
    assert data.stat().st_size > 1.3 * allowed
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(data), str(encoder), str(allowed)],
        capture_output=True,
        text=True,
        check=False,
        env={"TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1", "PATH": ""},
    )
    said = r"every ticket was judged, by models that learned from a sample of 4\d\d tickets at most"
    assert re.fullmatch(f"{said}\ncannot be held\n", done.stdout), done.stdout + done.stderr[-2000:]
