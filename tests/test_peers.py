"""The benchmark of other model servers, without them: setup, environments, agreement, figures."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
import typer

from service.contract.ticket import render
from service.contract.tokens import Tokenizer, pad
from service.engine.session import Session
from tests.benchmarks.contender import Setup
from tests.benchmarks.desk import as_body, tickets
from tests.benchmarks.peers.__main__ import chosen
from tests.benchmarks.peers.agreement import Checked, DisagreesError, compare, read_answer
from tests.benchmarks.peers.environment import FINISHED, Environment
from tests.benchmarks.peers.peer import PEERS, ROOT, peer_setup
from tests.benchmarks.peers.processes import running, tree
from tests.benchmarks.peers.servers import peer_setup as setup_file
from tests.benchmarks.peers.servers.one_ticket import Message, OneTicket, Receive, Send
from tests.benchmarks.peers.servers.ticket_model import TicketModel
from tests.benchmarks.server import Server
from tests.tiny_bundle import DEFAULT_TASKS, write_bundle

ANSWER = {"queue": ("payments", 0.75), "urgency": ("P1", 0.5)}


def test_a_setup_file_is_read_as_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    written = peer_setup(Setup(bundle, batching=True), 4711, max_batch=32)
    written.write(tmp_path / "setup.json")
    monkeypatch.setenv(setup_file.VARIABLE, str(tmp_path / "setup.json"))
    assert setup_file.read_setup() == written
    assert (written.port, written.batching, written.max_batch) == (4711, True, 32)
    assert list(written.tasks) == ["category", "urgency", "queue"]


def test_a_precision_that_the_bundle_lacks_is_refused(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    with pytest.raises(LookupError, match="no int8 variant"):
        peer_setup(Setup(bundle, "int8"), 4711)


def test_the_model_of_the_peers_answers_as_harbors_session(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle")
    setup = peer_setup(Setup(bundle), 4711)
    model = TicketModel(setup)
    desk = [(ticket.subject, ticket.body) for ticket in tickets(20)]
    desk += [(" \x00padded ", "\ud800"), ("long", "please refund " * 5000)]
    texts = [model.text(subject, body) for subject, body in desk]
    assert texts == [render(subject, body) for subject, body in desk]
    tokenizer = Tokenizer.from_file(Path(setup.tokenizer), setup.token_limit)
    session = Session.open(Path(setup.graph), DEFAULT_TASKS, "cpu", threads=1)
    expected = session.run(*pad([tokenizer.encode(text) for text in texts], setup.pad_id))
    for row, reply in enumerate(model.answer(texts)):
        for task in DEFAULT_TASKS:
            probabilities_C = expected.probabilities[task.name][row]
            assert reply[task.name]["label"] == task.labels[probabilities_C.argmax()]
            assert reply[task.name]["confidence"] == pytest.approx(probabilities_C.max(), abs=1e-6)


def test_what_runs_inside_a_peer_loads_nothing_of_the_service() -> None:
    code = (
        "import sys, tests.benchmarks.peers.servers.ticket_model; "
        "sys.exit(any(name.split('.')[0] in ('service', 'training') for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_each_peer_has_a_program_and_exact_pins() -> None:
    for peer in PEERS:
        program = peer.command()[-1]
        assert ROOT.joinpath(*program.split(".")).with_suffix(".py").is_file()
        pins = peer.environment.requirements.read_text().split()
        assert len(pins) == 4
        assert all("==" in pin for pin in pins)


def test_peers_run_the_onnxruntime_tokenizers_and_numpy_that_harbor_runs() -> None:
    ours = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line
    )
    for peer in PEERS:
        pins = dict(pin.split("==") for pin in peer.environment.requirements.read_text().split())
        assert pins["onnxruntime"] == ours["onnxruntime-gpu"]
        assert (pins["tokenizers"], pins["numpy"]) == (ours["tokenizers"], ours["numpy"])


def test_a_finished_environment_is_used_again_until_its_pins_change(tmp_path: Path) -> None:
    environment = Environment("litserve", tmp_path)
    make, install = environment.commands()
    assert make == [sys.executable, "-m", "venv", "--clear", str(environment.directory)]
    assert install[0] == str(tmp_path / "litserve" / "venv" / "bin" / "python")
    assert install[-2:] == ["-r", str(environment.requirements)]
    environment.directory.mkdir(parents=True)
    (environment.directory / FINISHED).write_text(environment.digest())
    assert environment.commands() == []
    environment.make()
    (environment.directory / FINISHED).write_text("of other pins")
    assert len(environment.commands()) == 2


def test_only_the_named_peers_run_and_a_wrong_name_is_refused() -> None:
    assert [peer.key for peer in chosen(["ray", "litserve"])] == ["litserve", "ray"]
    assert chosen(None) == list(PEERS)
    with pytest.raises(typer.BadParameter, match="triton"):
        chosen(["triton"])


def test_harbors_reply_and_a_peers_read_the_same() -> None:
    tasks = {task: {"label": label, "confidence": c} for task, (label, c) in ANSWER.items()}
    assert read_answer(json.dumps(tasks).encode()) == ANSWER
    assert read_answer(json.dumps({"predictions": tasks, "request_id": "1"}).encode()) == ANSWER


def test_rounding_is_agreement() -> None:
    compare("Quick", [ANSWER | {"urgency": ("P1", 0.50009)}], [ANSWER])


@pytest.mark.parametrize(
    "found",
    [
        None,
        ANSWER | {"urgency": ("P2", 0.5)},
        ANSWER | {"urgency": ("P1", 0.5002)},
        {"queue": ("payments", 0.75)},
    ],
    ids=["no answer", "another label", "another confidence", "a task is missing"],
)
def test_another_answer_is_no_agreement(found: dict[str, tuple[str, float]] | None) -> None:
    with pytest.raises(DisagreesError, match="Quick answers 1 of 3 tickets differently; ticket 1"):
        compare("Quick", [ANSWER, found, ANSWER], [ANSWER] * 3)


class Answering:
    """A contender that gives one answer to everything."""

    name = "Quick"

    def __init__(self, reply: bytes) -> None:
        self._reply = reply

    @contextmanager
    def serving(self, setup: Setup) -> Iterator[Server]:  # noqa: ARG002 - the protocol's.
        with _answering(self._reply) as url:
            yield Server(url, 0, 0.0)


def test_a_server_that_answers_something_else_is_not_handed_on(tmp_path: Path) -> None:
    bodies = [as_body("Invoice", str(place)) for place in range(5)]
    right, wrong = (
        {"queue": {"label": label, "confidence": 0.75}} for label in ("payments", "platform")
    )
    expected = [read_answer(json.dumps(right).encode())] * len(bodies)
    checked = Checked(Answering(json.dumps(right).encode()), bodies, expected)
    assert checked.name == "Quick"
    with checked.serving(Setup(tmp_path)) as server:
        assert server.url
    refused = replace(checked, contender=Answering(json.dumps(wrong).encode()))
    with pytest.raises(DisagreesError, match="5 of 5"), refused.serving(Setup(tmp_path)):
        pytest.fail("it was handed on")


@pytest.mark.parametrize(
    ("status", "reply", "expected"),
    [(200, b'[{"queue": 1}]', b'{"queue": 1}'), (503, b'{"error": "busy"}', b'{"error": "busy"}')],
)
async def test_a_ticket_goes_in_and_out_of_a_list(
    status: int, reply: bytes, expected: bytes
) -> None:
    asked: list[Message] = []

    async def listing(scope: Message, receive: Receive, send: Send) -> None:
        asked.extend([scope, await receive()])
        length = (b"content-length", str(len(reply)).encode())
        await send({"type": "http.response.start", "status": status, "headers": [length]})
        await send({"type": "http.response.body", "body": reply[:3], "more_body": True})
        await send({"type": "http.response.body", "body": reply[3:]})

    parts = [
        {"type": "http.request", "body": b'{"subj', "more_body": True},
        {"type": "http.request", "body": b'ect": ""}', "more_body": False},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return parts.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/route", "headers": [(b"content-length", b"15")]}
    await OneTicket(listing)(scope, receive, send)
    assert asked[1]["body"] == b'{"tickets":[{"subject": ""}]}'
    assert asked[0]["headers"] == [(b"content-length", b"29")]
    assert sent[1]["body"] == expected
    assert sent[0]["headers"] == [(b"content-length", str(len(expected)).encode())]


def test_nothing_of_a_process_tree_survives(tmp_path: Path) -> None:
    told = tmp_path / "pids"
    stubborn = (
        "import os, pathlib, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "os.setsid(); pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(600)"
    )
    parent = (
        "import subprocess, sys, time; "
        "subprocess.Popen([sys.executable, '-c', sys.argv[1], sys.argv[2]]); time.sleep(600)"
    )
    command = [sys.executable, "-c", parent, stubborn, str(told)]
    with (tmp_path / "log").open("wb") as log, running(command, tmp_path, {}, log) as process:
        while not told.exists() or not told.read_text():
            assert process.poll() is None
        pids = [member.pid for member in tree(process.pid)]
        assert int(told.read_text()) in pids
    assert not any(psutil.pid_exists(pid) for pid in pids)


@contextmanager
def _answering(reply: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
