"""Recording never blocks or fails; what was accepted is written, and what is lost is counted."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from service.errors import LedgerRefused, LedgerUnavailable
from service.ledger.database import transaction
from service.ledger.ledger import Ledger
from service.ledger.records import FinalLabel, Record
from service.ledger.scope import Forgotten, Scope
from service.ledger.store import Store
from tests.postgres import Postgres
from tests.service.ledger.made import Bench, comparison, decision

RECORDS = "harbor_ledger_records_total"
DROPPED = "harbor_ledger_dropped_total"


def _written(url: str) -> list[str]:
    with Store(url) as store:
        return [case.decision_id for case in store.cases(Scope("old"))][::-1]


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - a thread makes it true
            await asyncio.sleep(0.01)


async def test_what_was_recorded_is_written_at_a_stop(url: str) -> None:
    bench = Bench(url, ledger_flush_s=60.0)
    async with bench.ledger() as ledger:
        for number in range(50):
            ledger.record(decision(number))
            ledger.record(comparison(number))
    assert _written(url) == [f"d{n:06}" for n in range(50)]
    assert bench.count(RECORDS, kind="decision") == 50
    assert bench.count(RECORDS, kind="comparison") == 50


async def test_a_flush_returns_once_all_is_written(url: str) -> None:
    async with Bench(url, ledger_flush_s=60.0).ledger() as ledger:
        ledger.record(decision(1))
        ledger.record(comparison(1))
        await ledger.flush()
        assert ledger.waiting == 0
        assert _written(url) == ["d000001"]


async def test_records_are_written_without_being_asked_for(url: str) -> None:
    async with Bench(url).ledger() as ledger:
        ledger.record(decision(1))
        ledger.record(comparison(1))
        await _until(lambda: ledger.waiting == 0)
        assert await ledger.read(lambda store: len(store.pairs())) == 1


async def test_a_full_queue_drops_and_counts(url: str) -> None:
    bench = Bench(url, ledger_flush_s=60.0, ledger_queue=10)
    async with bench.ledger() as ledger:
        for number in range(25):
            ledger.record(decision(number))
        assert ledger.waiting == 10
    assert bench.count(DROPPED, kind="decision", reason="queue_full") == 15
    assert bench.count(RECORDS, kind="decision") == 10


async def test_a_bad_record_is_dropped_and_its_company_is_kept(url: str) -> None:
    bench = Bench(url, ledger_flush_s=60.0)
    bad = {3, 17, 18, 40}
    async with bench.ledger() as ledger:
        for number in range(50):
            ledger.record(decision(number, tokens=2**70 if number in bad else 1))
            ledger.record(comparison(number))
    assert _written(url) == [f"d{n:06}" for n in range(50) if n not in bad]
    assert bench.count(DROPPED, kind="decision", reason="refused") == len(bad)
    assert bench.count(RECORDS, kind="decision") == 50 - len(bad)


async def test_off_takes_everything_and_keeps_nothing() -> None:
    bench = Bench("off")
    async with bench.ledger() as ledger:
        ledger.record(decision(1))
        assert (ledger.on, ledger.up, ledger.waiting) == (False, False, 0)
        with pytest.raises(LedgerUnavailable, match="off"):
            await ledger.feedback([FinalLabel("category", "a", ticket_id="t1")])
        with pytest.raises(LedgerUnavailable, match="off"):
            await ledger.read(Store.pairs)


async def test_feedback_meets_the_decision_recorded_just_before(url: str) -> None:
    bench = Bench(url, ledger_flush_s=60.0)
    async with bench.ledger() as ledger:
        ledger.record(decision(1))
        labels = [FinalLabel("category", "a", ticket_id=name) for name in ("t1", "none")]
        receipt = await ledger.feedback(labels)
    assert receipt.outcomes == ("stored", "stored")
    assert receipt.unmatched == (1,)
    assert bench.count("harbor_feedback_total", outcome="stored") == 2
    assert bench.count("harbor_feedback_total", outcome="unmatched") == 1
    assert bench.count(RECORDS, kind="feedback") == 2


async def test_feedback_without_an_id_is_a_value_error(url: str) -> None:
    async with Bench(url).ledger() as ledger:
        with pytest.raises(ValueError, match="exactly one"):
            await ledger.feedback([FinalLabel("category", "a")])


async def test_text_is_kept_only_where_it_is_switched_on_and_then_redacted(url: str) -> None:
    text = ("Refund", "please write to jane@example.test")
    for kept in (False, True):
        async with Bench(url, ledger_text=kept).ledger() as ledger:
            ledger.record(decision(int(kept), text=text))
    with Store(url) as store:
        assert store.texts(["d000000", "d000001"]) == {
            "d000001": ("Refund", "please write to [email]")
        }


async def test_the_language_is_told_in_the_writers_thread(url: str) -> None:
    german = "Meine letzte Rechnung ist falsch, bitte prüfen Sie das"
    async with Bench(url).ledger(detect_language=True) as ledger:
        ledger.record(decision(1, excerpt=german))
        ledger.record(decision(2, excerpt=german, metadata={"lang": "fr"}))
        ledger.record(decision(3, excerpt=german, language="nl"))
        for number in (1, 2, 3):
            ledger.record(comparison(number))
        await ledger.flush()
        cases = await ledger.read(lambda store: list(store.cases(Scope("old"))))
    assert [case.language for case in cases] == ["nl", "fr", "de"]


async def test_a_forgotten_ticket_is_forgotten_though_it_still_waited(url: str) -> None:
    async with Bench(url, ledger_flush_s=60.0, ledger_text=True).ledger() as ledger:
        ledger.record(decision(1, text=("a", "b")))
        assert await ledger.forget("t1") == Forgotten(texts=1)
        assert (await ledger.forget("t1", everything=True)).decisions == 1


async def test_retention_runs_at_the_start_and_every_hour(url: str) -> None:
    bench = Bench(url, ledger_keep_days=1)
    day_s, hour_s = 86_400.0, 3_600.0
    async with bench.ledger() as ledger:
        ledger.record(decision(1, at=bench.now - day_s / 2))
        await ledger.flush()
    bench.now += day_s
    async with bench.ledger() as ledger:
        await _until(lambda: bench.count("harbor_ledger_pruned_total", reason="age") == 1)
        ledger.record(decision(2, at=bench.now - 2 * day_s))
        bench.now += hour_s - 1
        await ledger.flush()
        assert bench.count("harbor_ledger_pruned_total", reason="age") == 1
        bench.now += 2
        await _until(lambda: bench.count("harbor_ledger_pruned_total", reason="age") == 2)


async def test_a_store_that_is_down_at_the_start_is_used_once_it_is_there(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/later/ledger.db"
    bench = Bench(url)
    async with bench.ledger() as ledger:
        assert not ledger.up
        ledger.record(decision(1))
        ledger.record(comparison(1))
        with pytest.raises(LedgerUnavailable):
            await ledger.feedback([FinalLabel("category", "a", ticket_id="t1")])
        with pytest.raises(LedgerUnavailable):
            await ledger.read(Store.pairs)
        (tmp_path / "later").mkdir()
        await _until(lambda: ledger.up)
        await ledger.flush()
        assert bench.count("harbor_ledger_up") == 1
    assert _written(url) == ["d000001"]
    assert bench.events.count("the ledger cannot write") == 1
    assert bench.events.count("the ledger is back") == 1


async def test_a_newer_store_stops_the_start(url: str) -> None:
    with Store(url) as store, transaction(store._engine, "write") as connection:
        connection.exec_driver_sql("UPDATE harbor_ledger_version SET version_num = '9999'")
    with pytest.raises(LedgerRefused):
        await Bench(url).ledger().__aenter__()


async def test_a_store_that_breaks_and_heals_loses_nothing(tmp_path: Path) -> None:
    bench = Bench(f"sqlite:///{tmp_path}/ledger.db")
    async with bench.ledger() as ledger:
        await ledger.flush()
        other = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
        other.execute("ALTER TABLE decisions RENAME TO hidden")
        ledger.record(decision(1))
        ledger.record(comparison(1))
        with pytest.raises(LedgerUnavailable, match="no such table"):
            await ledger.flush()
        assert not ledger.up
        assert bench.count("harbor_ledger_up") == 0
        other.execute("ALTER TABLE hidden RENAME TO decisions")
        other.close()
        await _until(lambda: ledger.up)
    assert _written(bench.settings.ledger) == ["d000001"]
    assert bench.count(RECORDS, kind="decision") == 1
    assert bench.count("harbor_ledger_failures_total") >= 1


class _Stuck(Store):
    """A store whose writes hang until they are let go."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.free = threading.Event()

    def write(self, records: list[Record]) -> None:  # type: ignore[override]
        """Waits to be freed."""
        self.free.wait(30)
        super().write(records)


def _stuck(bench: Bench, **arguments: float) -> tuple[Ledger, _Stuck]:
    ledger = bench.ledger(**arguments)
    store = _Stuck(bench.settings.ledger)
    assert ledger._writer is not None
    ledger._store = ledger._writer._store = store
    return ledger, store


async def test_a_store_that_hangs_blocks_nobody_and_a_stop_counts_the_loss(tmp_path: Path) -> None:
    bench = Bench(f"sqlite:///{tmp_path}/ledger.db", drain_s=0.1)
    ledger, store = _stuck(bench)
    async with ledger:
        for number in range(30):
            ledger.record(decision(number))
    assert bench.count(DROPPED, kind="decision", reason="closing") == 30
    ledger.record(decision(99))
    assert bench.count(DROPPED, kind="decision", reason="closing") == 31
    with pytest.raises(LedgerUnavailable, match="closed"):
        await ledger.flush()
    store.free.set()


async def test_a_store_that_hangs_is_unavailable_and_keeps_no_process_from_ending(
    tmp_path: Path,
) -> None:
    bench = Bench(f"sqlite:///{tmp_path}/ledger.db")
    free = threading.Event()
    async with bench.ledger(patience_s=0.01) as ledger:
        for _ in range(8):
            with pytest.raises(LedgerUnavailable, match="does not answer"):
                await ledger.read(lambda _: free.wait())
    readers = [thread for thread in threading.enumerate() if thread.name == "ledger-reader"]
    assert readers
    assert all(thread.daemon for thread in readers)
    free.set()


async def test_a_flush_is_not_awaited_for_ever(tmp_path: Path) -> None:
    bench = Bench(f"sqlite:///{tmp_path}/ledger.db", drain_s=0.1)
    ledger, store = _stuck(bench, patience_s=0.01)
    async with ledger:
        ledger.record(decision(1))
        with pytest.raises(LedgerUnavailable, match="does not answer"):
            await ledger.flush()
    store.free.set()


def _take_away(folder: Path, another: bool) -> None:
    for file in folder.glob("ledger.db*"):
        file.unlink()
    if another:
        (folder / "other.db").rename(folder / "ledger.db")


@pytest.mark.parametrize("another", [False, True])
async def test_a_file_that_is_taken_away_is_begun_anew_and_what_comes_then_is_kept(
    tmp_path: Path, another: bool
) -> None:
    bench = Bench(f"sqlite:///{tmp_path}/ledger.db")
    if another:
        with Store(f"sqlite:///{tmp_path}/other.db") as store:
            store.write([decision(7), comparison(7)])
    async with bench.ledger() as ledger:
        ledger.record(decision(1))
        await ledger.flush()
        _take_away(tmp_path, another)
        ledger.record(decision(2))
        ledger.record(comparison(2))
        await ledger.flush()
        assert ledger.up
    assert set(_written(bench.settings.ledger)) == {"d000002"} | ({"d000007"} if another else set())
    assert "the ledger's file was taken away" in bench.events


async def test_an_id_that_only_begins_like_a_ticket_s_deletes_nothing(tmp_path: Path) -> None:
    bench = Bench(f"sqlite:///{tmp_path}/ledger.db")
    async with bench.ledger() as ledger:
        ledger.record(decision(1, ticket_id="x" * 200))
        assert await ledger.forget("x" * 201, everything=True) == Forgotten()
        assert (await ledger.forget("x" * 200, everything=True)).decisions == 1


async def test_every_thread_may_record(url: str) -> None:
    bench = Bench(url)
    async with bench.ledger() as ledger:

        def record(first: int) -> None:
            for number in range(first, first + 300):
                ledger.record(decision(number))

        await asyncio.gather(*(asyncio.to_thread(record, 300 * n) for n in range(4)))
    assert bench.count(RECORDS, kind="decision") == 1_200


@pytest.mark.slow
async def test_a_server_that_goes_away_and_comes_back_loses_nothing(server: Postgres) -> None:
    url = server.create()
    bench = Bench(url)
    async with bench.ledger() as ledger:
        ledger.record(decision(1))
        ledger.record(comparison(1))
        await ledger.flush()
        server.stop()
        ledger.record(decision(2))
        ledger.record(comparison(2))
        with pytest.raises(LedgerUnavailable):
            await ledger.flush()
        assert not ledger.up
        server.start()
        await _until(lambda: ledger.up)
    assert _written(url) == ["d000001", "d000002"]
