"""Reading: what becomes a row, what becomes a reject, and what stops the run."""

import csv
import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.training.data.files import (
    TASKS,
    Wanted,
    ticket,
    write_csv_file,
    write_jsonl_file,
    write_parquet_file,
)
from training.data.read import infer_tasks, read_table
from training.data.rejects import Rejects
from training.data.table import Row, Table
from training.errors import DataError, TooFewLabels, TooManyRejects, UnknownColumn

GOOD = (
    ticket("1", "the invoice is wrong", subject="Invoice", category="billing", urgency="P1"),
    ticket("2", "héllo \U0001f6a2 wörld", queue="web", created_at="2026-01-02T03:04:05+02:00"),
    ticket("3", 'a "quoted" text,\nwith a line break', source="mail", created_at="2026-01-02"),
)


def read_text(tmp_path: Path, text: str | bytes, **options: float) -> tuple[Table, Rejects]:
    path = tmp_path / "tickets.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_table(path, [Wanted("category")], max_reject_share=options.get("share", 1.0))


def rules(rejects: Rejects) -> list[tuple[int, str, str, str]]:
    return [(item.row, item.column, item.rule, item.action) for item in rejects.items]


def test_every_format_gives_the_same_table(tmp_path: Path) -> None:
    plain = write_csv_file(tmp_path / "a.csv", GOOD)
    packed = tmp_path / "b.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    files = [
        plain,
        packed,
        write_jsonl_file(tmp_path / "c.jsonl", GOOD),
        write_parquet_file(tmp_path / "d.parquet", GOOD),
    ]
    tables = [read_table(file, TASKS)[0] for file in files]
    assert [table.rows for table in tables] == [tables[0].rows] * 4
    assert len({table.fingerprint for table in tables}) == 1


def test_a_row_keeps_its_text_its_labels_and_its_time(tmp_path: Path) -> None:
    table, rejects = read_table(write_csv_file(tmp_path / "a.csv", GOOD), TASKS)
    assert rejects == Rejects(total_rows=3)
    assert table.rows[0].labels == {"category": "billing", "urgency": "P1"}
    assert table.rows[1].created_at == datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)
    assert table.rows[2].created_at == datetime(2026, 1, 2, tzinfo=UTC)
    assert table.rows[2].body == 'a "quoted" text,\nwith a line break'


def test_the_fingerprint_changes_with_any_content() -> None:
    row = Row("1", "s", "b", {"category": "x"})
    other = [
        Row("2", "s", "b", {"category": "x"}),
        Row("1", "t", "b", {"category": "x"}),
        Row("1", "s", "c", {"category": "x"}),
        Row("1", "s", "b", {"category": "y"}),
        Row("1", "s", "b", {"category": "x"}, datetime(2026, 1, 1, tzinfo=UTC)),
        Row("1", "s", "b", {"category": "x"}, source="mail"),
    ]
    assert len({Table((found,)).fingerprint for found in (row, *other)}) == 7


@pytest.mark.parametrize(
    ("line", "column", "rule"),
    [
        ("1,hello,billing,2026-01-01,extra", "", "columns"),
        ("1,hello,billing", "", "columns"),
        ("1,  ,billing,", "body", "empty_text"),
        ("1,hello,billing,yesterday", "created_at", "created_at"),
        ("1,hello,billing,0001-01-01T00:00:00+05:00", "created_at", "created_at"),
        (f"1,hello,{'x' * 65},", "category", "label"),
        (f"{'9' * 201},hello,billing,", "id", "id"),
        ('1,"hello" you,billing,', "", "quoting"),
    ],
)
def test_a_bad_row_is_listed_with_its_rule_and_the_others_survive(
    tmp_path: Path, line: str, column: str, rule: str
) -> None:
    text = f"id,body,category,created_at\n{line}\n2,good day,billing,\n"
    table, rejects = read_text(tmp_path, text)
    assert rules(rejects) == [(1, column, rule, "rejected")]
    assert [row.id for row in table.rows] == ["2"]


def test_bytes_that_are_not_utf8_reject_just_their_rows(tmp_path: Path) -> None:
    text = b"id,body,category\n1,caf\xe9,a\n2,caf\xc3\xa9,a\n3,fine,\xff\n"
    table, rejects = read_text(tmp_path, text)
    assert [row.body for row in table.rows] == ["café"]
    assert rules(rejects) == [
        (1, "body", "encoding", "rejected"),
        (3, "category", "encoding", "rejected"),
    ]
    assert rejects.items[0].message == "byte 0xe9 at character 3 is not UTF-8"


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    table, _ = read_text(tmp_path, b"\xef\xbb\xbfid,body,category\n1,hello,a\n")
    assert table.rows[0].id == "1"


def test_utf16_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="byte order mark of UTF-16"):
        read_text(tmp_path, "id,body,category\n1,hello,a\n".encode("utf-16"))


def test_a_quote_that_never_closes_loses_its_own_row_only(tmp_path: Path) -> None:
    text = 'id,body,category\n1,"hello,a\n2,world,a\n3,again,b\n'
    table, rejects = read_text(tmp_path, text)
    assert [row.id for row in table.rows] == ["2", "3"]
    assert rules(rejects) == [(1, "", "quoting", "rejected")]
    assert rejects.items[0].line == 2
    assert rejects.total_rows == 3


def test_stray_quotes_swallow_no_other_rows(tmp_path: Path) -> None:
    text = 'id,body,category\n1,"open,a\n2,"hello, you",a\n3,"also" open,a\n\n4,fine,b\n5,"x,b\n'
    table, rejects = read_text(tmp_path, text)
    assert [row.id for row in table.rows] == ["2", "4"]
    assert [item.line for item in rejects.items] == [2, 4, 7]
    assert rejects.total_rows == 5


def test_a_row_of_several_lines_is_numbered_by_its_first(tmp_path: Path) -> None:
    text = 'id,body,category\n1,"one\n\ntwo",a\n2,,b\n'
    table, rejects = read_text(tmp_path, text)
    assert table.rows[0].body == "one\n\ntwo"
    assert [(item.row, item.line) for item in rejects.items] == [(2, 5)]


def test_a_field_beyond_the_csv_modules_limit_is_read(tmp_path: Path) -> None:
    body = "log line " * 150_000
    table, _ = read_text(tmp_path, f"id,body,category\n1,{body},a\n")
    assert len(table.rows[0].body) == len(body)


def test_a_label_that_the_run_does_not_list_is_rejected_without_showing_text(
    tmp_path: Path,
) -> None:
    path = write_csv_file(
        tmp_path / "a.csv",
        [
            ticket("1", "one", category="billing"),
            ticket("2", "two", category="bilking"),
            ticket("3", "three", category="I am a secret text"),
        ],
    )
    wanted = [Wanted("category", ("billing", "technical"))]
    table, rejects = read_table(path, wanted, max_reject_share=1.0)
    assert [row.id for row in table.rows] == ["1"]
    assert [item.message for item in rejects.items] == ["found 'bilking'", "found 18 characters"]


def test_a_second_row_with_the_same_id_is_rejected(tmp_path: Path) -> None:
    table, rejects = read_text(tmp_path, "id,body,category\n1,hello,a\n1,other,b\n")
    assert [row.body for row in table.rows] == ["hello"]
    assert rules(rejects) == [(2, "id", "duplicate_id", "rejected")]


def test_rows_with_the_same_text_merge_and_unite_their_labels(tmp_path: Path) -> None:
    rows = [
        ticket("1", "Hello, World!", category="a"),
        ticket("2", "hello world", queue="web"),
        ticket("1", "Hello, World!", category="a"),
    ]
    table, rejects = read_table(write_csv_file(tmp_path / "a.csv", rows), TASKS)
    assert table.rows == (Row("1", "", "Hello, World!", {"category": "a", "queue": "web"}),)
    assert rules(rejects) == [(2, "", "same_text", "merged"), (3, "", "same_text", "merged")]
    assert rejects.rejected_rows == 0


def test_a_label_on_which_the_same_text_disagrees_is_blanked_for_all(tmp_path: Path) -> None:
    rows = [
        ticket("1", "hello", category="a", queue="web"),
        ticket("2", "hello", category="b", queue="web"),
        ticket("3", "hello", category="a"),
    ]
    table, rejects = read_table(write_csv_file(tmp_path / "a.csv", rows), TASKS)
    assert [row.labels for row in table.rows] == [{"queue": "web"}]
    blanked = sorted(item.row for item in rejects.items if item.action == "blanked")
    assert blanked == [1, 2, 3]
    assert rejects.counts("blanked") == {"conflict": 3}


def test_a_row_without_an_id_gets_one_from_its_text(tmp_path: Path) -> None:
    table, rejects = read_text(tmp_path, "body,category\nhello,a\nworld,b\n")
    again, _ = read_text(tmp_path, "body,category\nworld,b\nhello,a\n")
    assert rejects.made_ids == 2
    assert {row.id for row in table.rows} == {row.id for row in again.rows}
    assert all(len(row.id) == 16 for row in table.rows)


def test_too_many_rejects_stop_the_run_and_still_write_the_list(tmp_path: Path) -> None:
    rows = [ticket("1", "secret words"), ticket("2", ""), ticket("3", "")]
    path, listed = write_csv_file(tmp_path / "a.csv", rows), tmp_path / "rejects.csv"
    with pytest.raises(TooManyRejects, match=r"2 of 3 rows were rejected, at most 5\.0%") as error:
        read_table(path, TASKS, rejects_path=listed)
    assert error.value.counts == {"empty_text": 2}
    with listed.open(encoding="utf-8", newline="") as stream:
        lines = list(csv.reader(stream))
    assert lines[0] == ["row", "line", "column", "rule", "action", "message"]
    assert [line[:5] for line in lines[1:]] == [
        ["2", "3", "body", "empty_text", "rejected"],
        ["3", "4", "body", "empty_text", "rejected"],
    ]
    assert "secret" not in listed.read_text(encoding="utf-8")


def test_jsonl_faults_are_listed_by_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"id": 7, "body": "hello", "category": null}\n\n'
        "not json\n[1]\n"
        '{"id": "8", "body": ["nested"], "category": "a"}\n'
        '{"id": "9", "body": "\\ud800", "category": "a"}\n' + "[" * 100_000 + "\n",
        encoding="utf-8",
    )
    table, rejects = read_table(path, [Wanted("category")], max_reject_share=1.0)
    assert [row.id for row in table.rows] == ["7"]
    assert [(item.line, item.column, item.rule) for item in rejects.items] == [
        (3, "", "json"),
        (4, "", "json"),
        (5, "body", "type"),
        (6, "body", "encoding"),
        (7, "", "json"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("id;body;category\n1;hello;a\n", "separated by commas"),
        ("id,body,body\n1,a,b\n", "twice in the header"),
        ("id,category\n1,a\n", "neither a subject nor a body"),
        ("id,body\n1,hello\n", "no column for the task category"),
        ("id,body,category\n", "no rows that can be used"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_text(tmp_path, text)


def test_a_missing_task_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownColumn) as error:
        read_text(tmp_path, "id,body\n1,hello\n")
    assert error.value.column == "category"


@pytest.mark.parametrize("name", ["a.csv.gz", "a.parquet"])
def test_a_damaged_file_is_a_data_error(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not what the name says")
    with pytest.raises(DataError, match="cannot be read"):
        read_table(tmp_path / name, TASKS)


def test_an_unknown_suffix_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\.csv, \.csv\.gz, \.jsonl"):
        read_table(tmp_path / "a.xlsx", TASKS)


def table_of(**labels: list[str]) -> Table:
    task, values = next(iter(labels.items()))
    return Table(tuple(Row(str(at), "", str(at), {task: value}) for at, value in enumerate(values)))


def test_tasks_take_their_labels_from_the_data_sorted() -> None:
    (task,) = infer_tasks(table_of(category=["b", "a", "b"]), ["category"])
    assert (task.labels, task.kind) == (("a", "b"), "nominal")


def test_urgency_of_priorities_is_ordinal() -> None:
    (task,) = infer_tasks(table_of(urgency=["P3", "P0", "P1"]), ["urgency"])
    assert (task.labels, task.kind) == (("P0", "P1", "P3"), "ordinal")


def test_rare_labels_are_left_out_and_restrict_blanks_them() -> None:
    table = table_of(category=["a", "a", "b", "b", "c"])
    tasks = infer_tasks(table, ["category"], min_count=2)
    assert tasks[0].labels == ("a", "b")
    assert [row.labels for row in table.restrict(tasks).rows][-1] == {}
    assert len(table.restrict(tasks)) == 5


def test_a_task_with_one_label_is_refused() -> None:
    with pytest.raises(TooFewLabels, match="at least two labels"):
        infer_tasks(table_of(category=["a", "a"]), ["category"])


def test_too_many_labels_are_refused() -> None:
    with pytest.raises(DataError, match="1,000 labels, found 1,001"):
        infer_tasks(table_of(category=[f"c{at}" for at in range(1001)]), ["category"])


def test_a_column_that_no_task_reads_may_hold_anything(tmp_path: Path) -> None:
    extra = {"tags": ["vip"], "meta": {"a": 1}, "closed": True}
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({**GOOD[0], **extra}) + "\n", encoding="utf-8")
    columns = {
        **{key: [value] for key, value in GOOD[0].items()},
        "closed": [True],
        "tags": [["a"]],
    }
    pq.write_table(pa.table(columns), tmp_path / "b.parquet")
    for file in (path, tmp_path / "b.parquet"):
        table, rejects = read_table(file, TASKS)
        assert (len(table), rejects.items) == (1, ())


def test_a_missing_number_is_no_label(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"body": "hello", "category": NaN}\n', encoding="utf-8")
    table, _ = read_table(path, [Wanted("category")])
    assert table.rows[0].labels == {}


@pytest.mark.parametrize("text", ["", "not json\n[1]\n{}\n"])
def test_a_jsonl_file_without_a_record_says_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="every line must be a JSON object"):
        read_table(path, TASKS)


def write_times(path: Path, value: int, kind: pa.DataType) -> Path:
    columns = {"body": ["hello"], "category": ["a"], "created_at": pa.array([value], kind)}
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_a_parquet_time_in_nanoseconds_is_read(tmp_path: Path, zone: str | None) -> None:
    value, kind = 1_700_000_000_123_456_789, pa.timestamp("ns", zone)
    table, _ = read_table(write_times(tmp_path / "a.parquet", value, kind), [Wanted("category")])
    assert table.rows[0].created_at == datetime(2023, 11, 14, 22, 13, 20, 123456, UTC)


def test_a_parquet_time_beyond_the_calendar_is_a_reject(tmp_path: Path) -> None:
    path = write_times(tmp_path / "a.parquet", 2**52, pa.timestamp("ms"))
    with pytest.raises(TooManyRejects) as error:
        read_table(path, [Wanted("category")])
    assert error.value.counts == {"created_at": 1}


def test_a_parquet_column_that_stands_twice_is_a_data_error(tmp_path: Path) -> None:
    columns = [pa.array(["a"])] * 2
    pq.write_table(pa.Table.from_arrays(columns, names=["body", "body"]), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="cannot be read as Parquet") as error:
        read_table(tmp_path / "a.parquet", TASKS)
    assert "\n" not in str(error.value)
