import gzip
from pathlib import Path

import pytest

from service.labels_file import LabelsFileError, read_labels

TASKS = ("category", "queue")


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_column_for_each_task_becomes_labels_and_empty_cells_do_not(tmp_path: Path) -> None:
    file = write(tmp_path / "night.csv", "id,category,queue,team\n7,billing,,x\n8,,,\n9,a,b,y\n")
    rows = list(read_labels(file, TASKS))
    assert [row.number for row in rows] == [2, 4]
    assert [row.feedback for row in rows] == [
        {"labels": {"category": "billing"}, "ticket_id": "7"},
        {"labels": {"category": "a", "queue": "b"}, "ticket_id": "9"},
    ]


def test_a_row_a_label_with_time_and_source_is_read_as_the_review_queue_has_it(
    tmp_path: Path,
) -> None:
    file = write(
        tmp_path / "review.csv",
        "ticket_id,request_id,task,label,source,labelled_at\n"
        "7,r-1,queue,payments,review,2026-11-22T08:00:00+01:00\n"
        "8,,queue,,review,\n",
    )
    (row,) = read_labels(file, TASKS)
    assert row.feedback == {
        "labels": {"queue": "payments"},
        "ticket_id": "7",
        "source": "review",
        "labelled_at": "2026-11-22T08:00:00+01:00",
    }


def test_a_gzipped_file_with_a_byte_order_mark_reads_the_same(tmp_path: Path) -> None:
    plain = write(tmp_path / "a.csv", "ticket_id,queue\n1,x\n")
    packed = tmp_path / "a.csv.gz"
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + plain.read_bytes()))
    assert list(read_labels(packed, TASKS)) == list(read_labels(plain, TASKS))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("category\nbilling\n", "needs a column ticket_id"),
        ("ticket_id,team\n1,x\n", "needs a column for a task"),
        ('ticket_id,queue\n1,"x\n', "row 2"),
        ("", "needs a column ticket_id"),
    ],
)
def test_a_file_that_cannot_be_read_says_which_row_and_why(
    tmp_path: Path, text: str, rule: str
) -> None:
    with pytest.raises(LabelsFileError, match=rule):
        list(read_labels(write(tmp_path / "bad.csv", text), TASKS))


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelsFileError, match="cannot be read"):
        list(read_labels(tmp_path / "none.csv", TASKS))
    (tmp_path / "binary.csv").write_bytes(b"ticket_id,queue\n1,\xff\xfe\n")
    with pytest.raises(LabelsFileError, match=r"row [12]"):
        list(read_labels(tmp_path / "binary.csv", TASKS))
    (tmp_path / "bad.csv.gz").write_bytes(b"no gzip at all")
    with pytest.raises(LabelsFileError, match="row 1"):
        list(read_labels(tmp_path / "bad.csv.gz", TASKS))


def test_a_corrupt_archive_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "night.csv.gz"
    file.write_bytes(gzip.compress(b"ticket_id,category\n" + b"1,x\n" * 1000)[:12] + b"\xff" * 40)
    with pytest.raises(LabelsFileError, match=r"night\.csv\.gz row 1"):
        list(read_labels(file, TASKS))


def test_the_ticket_s_id_beats_the_row_s(tmp_path: Path) -> None:
    for header, line in (("id,ticket_id", "7,8"), ("ticket_id,id", "8,7")):
        (row,) = read_labels(write(tmp_path / "a.csv", f"{header},queue\n{line},a\n"), TASKS)
        assert row.feedback["ticket_id"] == "8"
