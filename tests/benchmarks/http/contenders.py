"""A setup comes in; a ready Harbor, or a plain FastAPI server, goes out for one `with` block."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from tests.benchmarks.contender import Setup
from tests.benchmarks.server import Server, free_port, serving, stop, wait_until_ready

PLAIN_SERVER = "tests.benchmarks.http.plain_server"


class Harbor:
    """`harbor-serve run` with its defaults, but for the precision; the ledger writes to disk."""

    name = "Harbor"

    def serving(self, setup: Setup) -> AbstractContextManager[Server]:
        """Without batching, a batch holds one ticket."""
        alone = () if setup.batching else ("--max-batch", "1")
        return serving(setup.bundle, "--precision", setup.precision, *alone)


class Plain:
    """The server that one writes for oneself; it never batches."""

    name = "plain FastAPI"

    def __init__(self, provider: str = "cpu") -> None:
        """provider: `cpu` or `cuda`."""
        self._provider = provider

    @contextmanager
    def serving(self, setup: Setup) -> Iterator[Server]:
        """See plain_server.py."""
        port = free_port()
        flags = ["--bundle", str(setup.bundle), "--precision", setup.precision, "--port", str(port)]
        flags += ["--provider", self._provider]
        with tempfile.TemporaryFile() as log:
            started = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-m", PLAIN_SERVER, *flags],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
            try:
                url = f"http://127.0.0.1:{port}"
                wait_until_ready(url, process, log)
                yield Server(url, process.pid, time.perf_counter() - started)
            finally:
                stop(process)
