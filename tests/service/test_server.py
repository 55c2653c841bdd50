"""A real `harbor-serve` process: where it listens, how it stops, how it swaps."""

import asyncio
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.reloads import Reloads
from tests.service.desk import TICKET, serving
from tests.service.process import PATIENCE_S, WORKERS, Process, running
from tests.tiny_bundle import write_bundle


class Caller(threading.Thread):
    """Posts tickets over kept connections until a reply says that the server is stopping.

    A stubborn one reconnects and goes on until nobody listens any more.
    """

    def __init__(self, url: str, stubborn: bool = False) -> None:
        super().__init__()
        self.url = url
        self.stubborn = stubborn
        self.statuses: list[int] = []
        self.failures: list[Exception] = []
        self.started_posting = threading.Event()

    def run(self) -> None:
        with httpx.Client(base_url=self.url, timeout=PATIENCE_S) as client:
            closing = False
            while not closing:
                try:
                    reply = client.post("/route", json=TICKET)
                except httpx.ConnectError:
                    return
                except httpx.HTTPError as error:
                    self.failures.append(error)
                    return
                self.statuses.append(reply.status_code)
                self.started_posting.set()
                closing = reply.headers.get("connection") == "close" and not self.stubborn


def test_a_stop_under_load_answers_everything_and_exits_with_0(bundle: Path) -> None:
    with running(bundle, "--grace-s", "5") as process:
        callers = [Caller(process.url) for _ in range(6)]
        for caller in callers:
            caller.start()
        for caller in callers:
            assert caller.started_posting.wait(PATIENCE_S)
        process.popen.send_signal(signal.SIGTERM)
        process.wait_for("stopping", WORKERS)
        ready = httpx.get(f"{process.url}/readyz")
        assert (ready.status_code, ready.json()["code"]) == (503, "closing")
        for caller in callers:
            caller.join(PATIENCE_S)
        process.popen.send_signal(signal.SIGTERM)  # Nobody is left: no need to wait any longer.
        assert process.popen.wait(PATIENCE_S) == 0
        process.wait_for("stopped")
    for caller in callers:
        assert caller.failures == []
        assert set(caller.statuses) == {200}


@pytest.mark.slow
def test_even_callers_who_ignore_the_stop_meet_no_reset(bundle: Path) -> None:
    with running(bundle, "--grace-s", "0.5") as process:
        callers = [Caller(process.url, stubborn=True) for _ in range(16)]
        for caller in callers:
            caller.start()
        for caller in callers:
            assert caller.started_posting.wait(PATIENCE_S)
        process.popen.send_signal(signal.SIGTERM)
        for caller in callers:
            caller.join(PATIENCE_S)
        assert process.popen.wait(PATIENCE_S) == 0
    assert [caller.failures for caller in callers] == [[]] * 16
    assert {status for caller in callers for status in caller.statuses} == {200}


def test_without_grace_what_is_in_flight_is_answered_still(bundle: Path) -> None:
    replies: list[httpx.Response] = []

    def post() -> None:
        body = {"tickets": [TICKET] * 200}
        replies.append(httpx.post(f"{process.url}/route/batch", json=body, timeout=PATIENCE_S))

    with running(bundle, "--grace-s", "0") as process:
        poster = threading.Thread(target=post)
        poster.start()
        _wait_until_asked(process.url)
        process.popen.send_signal(signal.SIGINT)
        poster.join(PATIENCE_S)
        assert process.popen.wait(PATIENCE_S) == 0
        process.wait_for("stopped")
    (reply,) = replies
    assert len(reply.json()["results"]) == 200
    events = {line["event"] for line in process.lines}
    events -= {"front connected", "front gone"}
    assert events == {"bundle", "listening", "request", "stopping", "stopped"}


def _wait_until_asked(url: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        text = httpx.get(f"{url}/metrics").text
        if "harbor_batch_tickets_count 0.0" not in text:
            return
    pytest.fail("the batch was never begun")


def test_sighup_swaps_to_what_lies_at_the_path_and_a_refused_bundle_changes_nothing(
    tmp_path: Path,
) -> None:
    one = write_bundle(tmp_path / "one", version="one")
    two = write_bundle(tmp_path / "two", version="two", seed=2)
    current = tmp_path / "current"
    current.symlink_to(one)
    with running(current) as process, httpx.Client(base_url=process.url) as client:
        assert client.get("/bundle").json()["bundle"]["version"] == "one"
        _point(current, two)
        process.popen.send_signal(signal.SIGHUP)
        _wait_for_swaps(client, 1)
        assert client.post("/route", json=TICKET).json()["bundle"]["version"] == "two"

        (one / "model.fp32.onnx").write_bytes(b"broken")
        _point(current, one)
        process.popen.send_signal(signal.SIGHUP)
        refusal = process.wait_for("swap refused")
        assert refusal["code"] == "bundle_refused"
        assert "model.fp32.onnx" in refusal["reason"]
        assert client.post("/route", json=TICKET).json()["bundle"]["version"] == "two"
        metrics = client.get("/metrics").text
        assert 'harbor_bundle_swaps_total{result="ok"} 1.0' in metrics
        assert 'harbor_bundle_swaps_total{result="refused"} 1.0' in metrics


def _wait_for_swaps(client: httpx.Client, count: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if f'harbor_bundle_swaps_total{{result="ok"}} {count}.0' in client.get("/metrics").text:
            return
        time.sleep(0.02)
    pytest.fail("the bundle was never swapped")


def _point(link: Path, target: Path) -> None:
    fresh = link.with_name("fresh")
    fresh.symlink_to(target)
    fresh.replace(link)


@pytest.fixture(scope="module")
def server(bundle: Path) -> Iterator[Process]:
    """A server that several tests share; none of them changes it."""
    with running(bundle, "--max-body-bytes", "100000") as process:
        yield process


def test_too_large_a_body_is_answered_even_to_a_caller_that_sends_it_all(server: Process) -> None:
    with httpx.Client(base_url=server.url) as client:
        for content in (b"x" * 30_000_000, iter([b"x" * 1_000_000] * 30)):
            reply = client.post("/route", content=content)
            assert (reply.status_code, reply.json()["code"]) == (413, "body_too_large")
            assert client.post("/route", json=TICKET).status_code == 200


def test_a_port_that_is_taken_is_one_line_and_status_1(server: Process, bundle: Path) -> None:
    port = server.url.rpartition(":")[2]
    done = _run("run", "--bundle", str(bundle), "--port", port)
    assert done.returncode == 1
    assert done.stderr.startswith("harbor-serve: cannot listen")
    assert len(done.stderr.splitlines()) == 1


def test_the_bench_measures_a_running_server(server: Process) -> None:
    done = _run("bench", "--url", server.url, "--seconds", "0.3", "--clients", "2")
    assert done.returncode == 0
    for word in ("tickets a second", "p50", "p95", "p99", "replies: 200"):
        assert word in done.stdout


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


async def test_however_many_reloads_are_asked_for_at_once_two_happen(bundle: Path) -> None:
    async with serving(bundle, log_level="info") as desk:
        reloads = Reloads(desk.core)
        for _ in range(50):
            done = reloads.request()
            await asyncio.sleep(0)
        await done
        assert len([line for line in desk.log if line["event"] == "bundle"]) == 1 + 2
