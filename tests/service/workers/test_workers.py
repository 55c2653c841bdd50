"""Real processes behind one port: they answer alike, are replaced when they die, and all stop."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.workers.child import STOP
from service.workers.heart import BEAT_S, PATIENCE
from tests.benchmarks.server import free_port
from tests.service.desk import TICKET
from tests.service.process import PATIENCE_S, Process, running
from tests.service.workers.watching import alive, children, scrape, status_of, until
from tests.tiny_bundle import write_bundle


@pytest.fixture
def served(bundle: Path) -> Iterator[Process]:
    """Three HTTP processes and their core."""
    with running(bundle, "--workers", "3", "--grace-s", "0.2", "--ledger", "off") as process:
        process.wait_for("listening", 3)
        yield process


def test_every_front_answers_and_one_scrape_counts_them_all(served: Process) -> None:
    for _ in range(40):
        assert status_of(served.url) == 200
    samples = scrape(served.url)
    assert samples['harbor_tickets_total{outcome="ok"}'] == 40
    assert samples['harbor_requests_total{endpoint="route",outcome="ok"}'] == 40
    assert samples['harbor_request_seconds_count{endpoint="route"}'] == 40
    assert samples["harbor_fronts"] == 3
    until(lambda: len([one for one in served.lines if one["event"] == "request"]) >= 40)
    routed = [line for line in served.lines if line.get("endpoint") == "route"]
    assert {line["process"] for line in routed} == {"front-1", "front-2", "front-3"}


def test_a_front_that_dies_is_replaced_and_its_counts_stay(served: Process) -> None:
    for _ in range(12):
        assert status_of(served.url) == 200
    counted = scrape(served.url)['harbor_tickets_total{outcome="ok"}']
    core, *fronts = children(served.popen.pid)
    with httpx.Client(base_url=served.url) as kept:
        kept.get("/livez")
        os.kill(fronts[1], signal.SIGKILL)
        until(lambda: len(set(children(served.popen.pid)) - {core, *fronts}) == 1)
        served.wait_for("listening", 4)
    statuses = [status_of(served.url) for _ in range(24)]
    assert statuses == [200] * 24
    samples = scrape(served.url)
    assert samples['harbor_tickets_total{outcome="ok"}'] == counted + 24
    assert samples["harbor_front_restarts_total"] == 1
    assert served.wait_for("process lost")["process"] == "front-2"
    assert children(served.popen.pid)[0] == core


def test_while_the_core_is_gone_fronts_refuse_and_then_go_on(served: Process) -> None:
    core, *fronts = children(served.popen.pid)
    os.kill(core, signal.SIGKILL)
    until(lambda: status_of(served.url) == 503)
    reply = httpx.post(f"{served.url}/route", json=TICKET)
    if reply.status_code == 503:
        assert (reply.json()["code"], reply.headers["retry-after"]) == ("not_ready", "1")
    assert httpx.get(f"{served.url}/livez").status_code == 200
    until(lambda: status_of(served.url) == 200)
    assert httpx.get(f"{served.url}/readyz").status_code == 200
    assert set(children(served.popen.pid)) & set(fronts) == set(fronts)
    assert served.wait_for("process lost")["process"] == "core"


@pytest.mark.slow
def test_a_core_and_a_front_that_hang_are_replaced(served: Process) -> None:
    core, hung, *fronts = children(served.popen.pid)
    os.kill(core, signal.SIGSTOP)
    os.kill(hung, signal.SIGSTOP)
    lost = {served.wait_for("process hangs", count)["process"] for count in (1, 2)}
    assert lost == {"core", "front-1"}
    until(lambda: not (alive(core) or alive(hung)))
    until(lambda: len(children(served.popen.pid)) == 4)
    until(lambda: [status_of(served.url) for _ in range(24)] == [200] * 24)
    assert set(fronts) < set(children(served.popen.pid))
    statuses = [line["status"] for line in served.lines if line["event"] == "process lost"]
    assert statuses == [-signal.SIGKILL] * 2


@pytest.mark.slow
def test_processes_that_were_all_stopped_go_on_where_they_were(served: Process) -> None:
    pids = children(served.popen.pid)
    for pid in (served.popen.pid, *pids):
        os.kill(pid, signal.SIGSTOP)
    time.sleep((PATIENCE + 2) * BEAT_S)
    for pid in (served.popen.pid, *pids):
        os.kill(pid, signal.SIGCONT)
    time.sleep(3 * BEAT_S)
    assert [status_of(served.url) for _ in range(24)] == [200] * 24
    assert children(served.popen.pid) == pids


def test_nobody_is_reset_and_nothing_is_left_when_all_stop_under_load(served: Process) -> None:
    statuses: list[int] = []
    stopping = threading.Event()

    def post() -> None:
        with httpx.Client(base_url=served.url, timeout=PATIENCE_S) as client:
            while not stopping.is_set():
                statuses.append(client.post("/route", json=TICKET).status_code)

    posters = [threading.Thread(target=post) for _ in range(4)]
    pids = children(served.popen.pid)
    for poster in posters:
        poster.start()
    until(lambda: len(statuses) > 20)
    stopping.set()
    served.popen.send_signal(signal.SIGTERM)
    for poster in posters:
        poster.join(PATIENCE_S)
    assert served.popen.wait(PATIENCE_S) == 0
    assert set(statuses) == {200}
    assert not any(alive(pid) for pid in pids)


def test_when_the_supervisor_is_killed_the_others_end_too(served: Process) -> None:
    pids = children(served.popen.pid)
    assert len(pids) == 4
    served.popen.kill()
    until(lambda: not any(alive(pid) for pid in pids))


def test_signals_to_the_whole_group_stop_and_reload_as_those_to_the_supervisor(
    bundle: Path,
) -> None:
    command = [sys.executable, "-m", "service", "run", "--bundle", str(bundle), "--port", "0"]
    command += ["--workers", "2", "--provider", "cpu", "--sessions", "1", "--ledger", "off"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as popen:
        process = Process(popen)
        reader = threading.Thread(target=process.read)
        reader.start()
        try:
            place = process.wait_for("listening", 2)
            url = f"http://{place['host']}:{place['port']}"
            pids = children(popen.pid)
            os.killpg(popen.pid, signal.SIGHUP)
            process.wait_for("bundle", 2)
            assert status_of(url) == 200
            assert children(popen.pid) == pids
            os.killpg(popen.pid, signal.SIGINT)
            assert popen.wait(PATIENCE_S) == 0
        finally:
            popen.kill()
            reader.join()
    assert not any(alive(pid) for pid in pids)
    assert "process lost" not in {line["event"] for line in process.lines}


def test_where_the_log_cannot_be_written_fronts_are_replaced_all_the_same(bundle: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "service", "run", "--bundle", str(bundle)]
    command += ["--port", str(port), "--workers", "2", "--provider", "cpu", "--ledger", "off"]
    url = f"http://127.0.0.1:{port}"
    with Path("/dev/full").open("w") as full, subprocess.Popen(command, stdout=full) as popen:
        try:
            until(lambda: status_of(url) == 200)
            _, *fronts = children(popen.pid)
            for pid in fronts:
                os.kill(pid, STOP)
            until(lambda: not any(alive(pid) for pid in fronts))
            until(lambda: len(children(popen.pid)) == 3)
            until(lambda: [status_of(url) for _ in range(8)] == [200] * 8)
            popen.terminate()
            assert popen.wait(PATIENCE_S) == 0
        finally:
            popen.kill()


def test_callers_who_give_up_on_the_core_leave_no_connection_behind(served: Process) -> None:
    core, *fronts = children(served.popen.pid)
    address = httpx.URL(served.url)
    for _ in range(2):
        os.kill(core, signal.SIGSTOP)
        try:
            for _ in range(150):
                with socket.create_connection((address.host, address.port)) as caller:
                    caller.sendall(b"GET /bundle HTTP/1.1\r\nHost: x\r\n\r\n")
            assert httpx.get(f"{served.url}/readyz", timeout=PATIENCE_S).status_code == 503
        finally:
            os.kill(core, signal.SIGCONT)
    until(lambda: httpx.get(f"{served.url}/readyz").status_code == 200)
    for path in ("/bundle", "/metrics", "/readyz", "/shadow"):
        assert httpx.get(served.url + path).status_code in {200, 404}
    until(lambda: all(len(os.listdir(f"/proc/{pid}/fd")) < 80 for pid in (core, *fronts)))


def test_a_path_reaches_the_core_as_it_was_sent(served: Process) -> None:
    address = httpx.URL(served.url)
    statuses = {}
    for target in ("/x/../bundle", "/bundle", "/%62undle", "*"):
        method = "OPTIONS" if target == "*" else "GET"
        with socket.create_connection((address.host, address.port)) as caller:
            head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nX-A: b  \r\nConnection: close\r\n\r\n"
            caller.sendall(head.encode())
            statuses[target] = int(caller.recv(100).split()[1])
    assert statuses == {"/x/../bundle": 404, "/bundle": 200, "/%62undle": 200, "*": 404}


def test_two_that_begin_at_once_do_not_share_a_port(bundle: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "service", "run", "--bundle", str(bundle)]
    command += ["--port", str(port), "--workers", "2", "--provider", "cpu", "--ledger", "off"]
    begun = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    until(lambda: any(one.poll() is not None for one in begun))
    (lost,) = [one for one in begun if one.poll() is not None]
    (left,) = [one for one in begun if one is not lost]
    assert lost.returncode == 1
    assert lost.communicate()[1].startswith("harbor-serve: cannot listen")
    until(lambda: status_of(f"http://127.0.0.1:{port}") == 200)
    left.terminate()
    left.communicate(timeout=PATIENCE_S)
    assert left.returncode == 0


def test_a_bundle_that_cannot_be_served_is_one_line_and_status_1(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "broken")
    (bundle / "model.fp32.onnx").write_bytes(b"broken")
    command = [sys.executable, "-m", "service", "run", "--bundle", str(bundle)]
    command += ["--port", "0", "--workers", "2", "--provider", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 1
    assert done.stderr.startswith("harbor-serve: bundle broken")
    assert len(done.stderr.splitlines()) == 1


def test_a_port_that_is_taken_is_refused_also_to_several_processes(
    served: Process, bundle: Path
) -> None:
    command = [sys.executable, "-m", "service", "run", "--bundle", str(bundle), "--workers", "2"]
    command += ["--port", served.url.rpartition(":")[2]]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("harbor-serve: cannot listen")
