"""A bundle comes in; another model server that answers `POST /route` goes out, for one block."""

import json
import os
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any

import service.contract.ticket
from service.contract.bundle import TOKENIZER, read_manifest
from service.contract.tokens import CHARACTERS_PER_TOKEN
from tests.benchmarks.contender import Setup
from tests.benchmarks.desk import as_body
from tests.benchmarks.peers.environment import Environment
from tests.benchmarks.peers.processes import running
from tests.benchmarks.peers.servers.peer_setup import VARIABLE, PeerSetup
from tests.benchmarks.server import Server, ServerFailedError, free_port, tail

ROOT = Path(__file__).resolve().parents[3]
READY_WITHIN_S = 180.0
READY = as_body("Ready?", "The first answer tells.")
QUIET = {
    "BENTOML_DO_NOT_TRACK": "True",
    "RAY_USAGE_STATS_ENABLED": "0",
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
"""No telemetry; threads are what the setup says."""


@dataclass(frozen=True)
class Peer:
    """Its program is servers/<key>_server.py, its packages requirements/<key>.txt.

    options: fields of PeerSetup that suit this peer better than the defaults.
    """

    name: str
    key: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def environment(self) -> Environment:
        """Where its packages are; made on demand."""
        return Environment(self.key, ROOT / "runs" / "peers")

    def command(self) -> list[str]:
        """What starts the server."""
        program = f"tests.benchmarks.peers.servers.{self.key}_server"
        return [str(self.environment.python), "-m", program]

    @contextmanager
    def serving(self, setup: Setup) -> Iterator[Server]:
        """As Contender says; makes the environment first where it is missing.

        Raises CalledProcessError where that fails.
        """
        self.environment.make()
        port = free_port()
        # Ray's sockets lie in it, and a socket's path may have 107 characters.
        with (
            tempfile.TemporaryDirectory(prefix="p", dir="/tmp") as scratch,
            tempfile.TemporaryFile() as log,
        ):
            file = Path(scratch) / "setup.json"
            peer_setup(setup, port, **self.options).write(file)
            started = time.perf_counter()
            with running(self.command(), ROOT, _variables(file), log) as process:
                url = f"http://127.0.0.1:{port}"
                _wait_until_ready(url, process, log)
                yield Server(url, process.pid, time.perf_counter() - started)


PEERS = (
    Peer("LitServe", "litserve"),
    Peer("BentoML", "bentoml"),
    Peer("MLServer", "mlserver"),
    Peer("Ray Serve", "ray"),
)


def peer_setup(setup: Setup, port: int, **options: Any) -> PeerSetup:
    """What a peer has to know of the bundle. Raises LookupError where it lacks the precision."""
    manifest = read_manifest(setup.bundle)
    variant = next((v for v in manifest.variants if v.precision == setup.precision), None)
    if variant is None:
        raise LookupError(f"the bundle {setup.bundle} has no {setup.precision} variant")
    bundle = setup.bundle.resolve()
    return PeerSetup(
        graph=str(bundle / variant.file),
        tokenizer=str(bundle / TOKENIZER),
        rule=str(service.contract.ticket.__file__),
        token_limit=manifest.token_limit,
        characters=manifest.token_limit * CHARACTERS_PER_TOKEN,
        pad_id=manifest.pad_id,
        tasks={task.name: list(task.labels) for task in manifest.tasks},
        port=port,
        batching=setup.batching,
        **options,
    )


def _variables(file: Path) -> dict[str, str]:
    scratch = str(file.parent)
    own = {"HOME": scratch, "TMPDIR": scratch, "BENTOML_HOME": scratch, VARIABLE: str(file)}
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **QUIET, **own}


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while not _answers(url):
        if process.poll() is not None:
            raise ServerFailedError(f"the server ended with {process.returncode}: {tail(log)}")
        if time.monotonic() > deadline:
            raise ServerFailedError(f"not ready within {READY_WITHIN_S:.0f} s: {tail(log)}")
        time.sleep(0.05)


def _answers(url: str) -> bool:
    request = urllib.request.Request(f"{url}/route", READY, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return isinstance(json.load(reply), dict)
    except (OSError, HTTPException):  # Refused, reset, timed out, or another status than 200.
        return False
