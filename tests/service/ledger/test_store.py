"""What goes into a store comes out of it, once, on either database."""

import math
import multiprocessing
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from service.errors import LedgerRefused, LedgerUnavailable
from service.ledger.database import transaction
from service.ledger.faults import RecordRefusedError
from service.ledger.migrate import VERSION_TABLE
from service.ledger.records import Registration, Seating
from service.ledger.scope import Scope, Total
from service.ledger.store import Store
from service.ledger.tables import metadata
from tests.service.ledger.made import LEGACY, PRIMARY, comparison, decision

OLD = Scope("old")


def _open(url: str) -> None:
    with Store(url):
        pass


def test_the_migrations_make_the_tables_that_the_code_knows(store: Store) -> None:
    with transaction(store._engine, "read") as connection:
        options = {"version_table": VERSION_TABLE}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_opening_a_store_twice_keeps_what_it_holds(url: str) -> None:
    with Store(url) as store:
        store.write([decision(1), comparison(1)])
    with Store(url) as store:
        assert len(list(store.cases(OLD))) == 1


@pytest.mark.slow
def test_processes_may_open_an_empty_store_at_once(url: str) -> None:
    spawned = multiprocessing.get_context("spawn")
    processes = [spawned.Process(target=_open, args=(url,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]


def test_a_store_newer_than_the_code_is_refused(store: Store, url: str) -> None:
    with transaction(store._engine, "write") as connection:
        connection.exec_driver_sql(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(LedgerRefused, match="newer than this Harbor"):
        Store(url).open()


def test_tables_of_another_program_are_refused(url: str) -> None:
    other = Store(url)
    with transaction(other._engine, "write") as connection:
        connection.exec_driver_sql("CREATE TABLE feedback (stars INTEGER)")
    other.close()
    with pytest.raises(LedgerRefused, match="another program"):
        Store(url).open()


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("mysql://root:hunter2@localhost/x", "found mysql://"),
        ("postgresql+asyncpg://u:hunter2@h/x", "found postgresql"),
        ("hunter2", "not of the form"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("postgresql://u:hunter2@h:port/x", "not of the form"),
    ],
)
def test_another_database_is_refused_without_its_password(url: str, rule: str) -> None:
    with pytest.raises(LedgerRefused, match=rule) as refused:
        Store(url)
    assert "hunter2" not in str(refused.value)


def test_a_url_is_shown_without_its_password() -> None:
    assert "hunter2" not in Store("postgresql://u:hunter2@h/x?password=hunter2").url


def test_a_server_that_is_not_there_is_unavailable() -> None:
    store = Store("postgresql://u:hunter2@127.0.0.1:1/x")
    with pytest.raises(LedgerUnavailable) as raised:
        store.open()
    assert "hunter2" not in str(raised.value)


def test_a_file_that_is_no_database_is_unavailable_and_stays(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_bytes(b"not a database, and dear to somebody\n" * 100)
    before = file.read_bytes()
    with pytest.raises(LedgerUnavailable, match="not a database"):
        Store(f"sqlite:///{file}").open()
    assert file.read_bytes() == before


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailable, match="unable to open"):
        Store(f"sqlite:///{tmp_path}/none/ledger.db").open()


def test_a_batch_written_twice_is_there_once(store: Store) -> None:
    batch = [decision(1), comparison(1), decision(2), comparison(2)]
    store.write(batch)
    store.write([*batch, decision(3)])
    assert store.totals(OLD) == [Total("category", "compared", None, 2)]


def test_hostile_text_is_cleaned_and_cut(store: Store) -> None:
    odd = "\x00\ud800ü'; DROP TABLE decisions; --" * 50
    store.write(
        [
            decision(1, ticket_id=odd, metadata={odd: odd}, text=(odd, odd), language=odd),
            comparison(1, label=odd, given_label=odd, reason=odd),
        ]
    )
    (case,) = store.cases(OLD)
    assert case.ticket_id is not None
    assert case.ticket_id.startswith(" \ufffdü'; DROP")
    assert len(case.ticket_id) <= 200
    assert store.forget(odd).texts == 1


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_refused(store: Store, number: float) -> None:
    with pytest.raises(RecordRefusedError, match="finite"):
        store.write([decision(1), comparison(1, confidence=number)])
    assert store.pairs() == []


def test_a_record_of_the_wrong_shape_is_refused_and_nothing_is_written(store: Store) -> None:
    with pytest.raises(RecordRefusedError):
        store.write([decision(1), decision(2, tokens=2**70), comparison(1)])
    assert store.pairs() == []


def test_a_plan_is_registered_anew_only_where_it_changed(store: Store) -> None:
    def plan(at: float, text: str, challenger: str = PRIMARY) -> Registration:
        return Registration(at, "old", challenger, LEGACY, text)

    kept = [plan(1, "a"), plan(3, "b"), plan(4, "b", "other"), plan(5, "a")]
    for registration in (*kept[:1], plan(2, "a"), *kept[1:], plan(6, "a")):
        store.register(registration)
    assert store.registrations() == kept
    assert store.registrations("old", challenger="other") == [kept[2]]
    assert store.registrations("new") == []


def test_seatings_come_out_newest_first(store: Store) -> None:
    first = Seating(1.0, "promote", "old", "a", "b", "b", "a", True, "eve", "why", False, "{}")
    second = Seating(2.0, "rollback", "old", "b", "a", "b", "a", True, "eve", "", True, "{}")
    store.seat(first)
    store.seat(second)
    assert store.seatings() == [second, first]
    assert store.seatings(limit=1) == [second]


def test_text_comes_out_by_decision(store: Store) -> None:
    store.write([decision(1, text=("subject", "body")), decision(2)])
    assert store.texts(["d000001", "d000002", "none"]) == {"d000001": ("subject", "body")}


def test_a_read_only_file_can_be_read_and_not_written(tmp_path: Path) -> None:
    with Store(f"sqlite:///{tmp_path}/ledger.db") as store:
        store.write([decision(1), comparison(1)])
    sealed = Store(f"sqlite:///file:{tmp_path}/ledger.db?mode=ro&uri=true")
    assert len(list(sealed.cases(OLD))) == 1
    with pytest.raises(LedgerUnavailable, match="readonly"):
        sealed.write([decision(2)])
    sealed.close()


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Store]:
    """A SQLite store in which another program holds the write lock."""
    store = Store(f"sqlite:///{tmp_path}/ledger.db")
    store.open()
    with transaction(store._engine, "none") as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield store
    other.close()
    store.close()


def test_a_locked_file_is_unavailable_and_can_be_read(locked: Store) -> None:
    with pytest.raises(LedgerUnavailable, match="locked"):
        locked.write([decision(1)])
    assert locked.pairs() == []


def test_a_full_disk_is_unavailable_and_loses_nothing(tmp_path: Path) -> None:
    with Store(f"sqlite:///{tmp_path}/ledger.db") as store:
        store.write([decision(1), comparison(1)])
        with transaction(store._engine, "none") as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1")
        with pytest.raises(LedgerUnavailable, match="full"):
            store.write([decision(n) for n in range(2, 5_000)])
        assert len(list(store.cases(OLD))) == 1
        with transaction(store._engine, "none") as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
        store.write([decision(n) for n in range(2, 5_000)])
