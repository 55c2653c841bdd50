"""The clients that saturate a server: wrk, and Python where it is not there."""

import json
from pathlib import Path

import pytest

from service.contract.ticket import Ticket
from tests.benchmarks import posting, wrk
from tests.benchmarks.bulk import bulk, gathered
from tests.benchmarks.family import Family, outcomes
from tests.benchmarks.http.desk import desk_of
from tests.benchmarks.http.loads import Answers
from tests.benchmarks.posted import Target
from tests.benchmarks.server import free_port, serving
from tests.tiny_bundle import write_bundle

TICKETS = [Ticket(subject=f"Invoice {n}", body="charged twice " * (n % 7 + 1)) for n in range(40)]


def test_both_clients_and_the_batch_endpoint_reach_every_process(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    bodies = desk_of(bundle, TICKETS).bodies
    with serving(bundle, "--provider", "cpu", "--sessions", "1", "--workers", "2") as server:
        family, target = Family.of(server.pid), Target(server.url, bodies)
        assert len({process.pid for process in family.all}) == 4
        assert family.held_mb() > 0
        found = [posting.python(target, 4, 1.0, processes=2)]
        if wrk.is_there():
            found.append(wrk.post(target, 4, 1.0))
        for posted in found:
            assert posted.failed == 0
            assert posted.per_s > 0
            assert 0 < posted.p50_ms <= posted.p99_ms
        many = bulk(server.url, bodies, each=8, clients=2, seconds=1.0)
        assert many.per_s > many.posted.per_s
        assert many.failed == 0
        assert outcomes(server.url)["ok"] > 40


def test_requests_that_are_refused_are_failures(tmp_path: Path) -> None:
    with serving(write_bundle(tmp_path / "bundle"), "--provider", "cpu") as server:
        target = Target(server.url, [b"{}"])
        with pytest.raises(ConnectionError, match="no answer"):
            posting.post(target, 2, 1.0)
        assert posting.python(target, 2, 0.2, processes=1).failed > 0


def test_a_server_that_is_not_there_is_told() -> None:
    target = Target(f"http://127.0.0.1:{free_port()}", [b"{}"])
    with pytest.raises((ConnectionError, wrk.WrkFailedError)):
        posting.post(target, 2, 1.0)


def test_wrk_s_result_is_read() -> None:
    said = (
        'Running\nharbor: {"requests": 90, "seconds": 2, "p50_ms": 3, "p99_ms": 4, "failed": 10}\n'
    )
    posted = wrk.read(said, "", cpu_s=0.5)
    assert (posted.per_s, posted.failed, posted.p50_ms, posted.cpu_s) == (40.0, 10, 3, 0.5)
    with pytest.raises(wrk.WrkFailedError, match="unable to connect"):
        wrk.read("Running\n", "unable to connect", cpu_s=0.0)


def test_answers_after_the_end_count_for_latency_alone() -> None:
    early = Answers([0, 1], [200, 503], [0.01, 0.01], [0.5, 0.6])
    late = Answers([2], [200], [0.03], [1.2], lost=1)
    posted = posting.gathered([early, late], cpu_s=0.1, seconds=1.0)
    assert (posted.per_s, posted.failed) == (1.0, 2)
    assert posted.p50_ms == pytest.approx(20.0)


def test_batches_hold_every_ticket_once() -> None:
    bodies = [json.dumps({"subject": str(n)}).encode() for n in range(10)]
    documents = [json.loads(line) for line in gathered(bodies, 4)]
    found = [ticket["subject"] for document in documents for ticket in document["tickets"]]
    assert found == [str(n) for n in range(10)]
    assert [len(document["tickets"]) for document in documents] == [4, 4, 2]
