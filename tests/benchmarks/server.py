"""A bundle comes in; a real, ready `harbor-serve run` process goes out, for one `with` block."""

import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

PROGRAM = (sys.executable, "-m", "service")
READY_WITHIN_S = 120.0
STOP_WITHIN_S = 40.0


class ServerFailedError(RuntimeError):
    """The server ended, or was not ready in time; the message holds the end of its log."""


@dataclass(frozen=True)
class Server:
    """A ready server. start_s: from the process's start to its first ready reply."""

    url: str
    pid: int
    start_s: float


@contextmanager
def serving(
    bundle: Path,
    *flags: str,
    program: Sequence[str] = PROGRAM,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Serves a bundle on a free loopback port with more flags. Raises ServerFailedError.

    The ledger lies in a directory of its own that is removed at the end, unless a flag says where.
    program: what stands for `harbor-serve`. cwd, env: of the process, as this one's by default.
    """
    port = free_port()
    where = ["--bundle", str(bundle), "--host", "127.0.0.1", "--port", str(port)]
    with tempfile.TemporaryFile() as log, tempfile.TemporaryDirectory() as scratch:
        if "--ledger" not in flags:
            where += ["--ledger", f"sqlite:///{scratch}/ledger.db"]
        started = time.perf_counter()
        process = subprocess.Popen(
            [*program, "run", *where, *flags],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            cwd=cwd,
            env=env,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_ready(url, process, log)
            yield Server(url, process.pid, time.perf_counter() - started)
        finally:
            stop(process)


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(url: str, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    """Asks /readyz until it says yes. Raises ServerFailedError."""
    deadline = time.monotonic() + READY_WITHIN_S
    while not is_ready(url):
        if process.poll() is not None:
            raise ServerFailedError(f"the server ended with {process.returncode}: {tail(log)}")
        if time.monotonic() > deadline:
            raise ServerFailedError(f"not ready within {READY_WITHIN_S:.0f} s: {tail(log)}")
        time.sleep(0.02)


def is_ready(url: str) -> bool:
    """Whether /readyz answers 200."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:  # Refused, reset, timed out, or answered 503.
        return False


def stop(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and SIGKILL for a server that does not end in time."""
    process.terminate()
    try:
        process.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def tail(log: IO[bytes], size: int = 2000) -> str:
    """The end of a log."""
    log.seek(0)
    return log.read()[-size:].decode(errors="replace")
