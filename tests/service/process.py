"""A real `harbor-serve` process comes up; its address and its log go out."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.service.desk import FRONTS

WORKERS = 2 if FRONTS else 1
"""HTTP processes of a server whose test does not say how many."""

PATIENCE_S = 60.0


@dataclass
class Process:
    """A server in a process of its own, and what it has logged."""

    popen: subprocess.Popen[str]
    lines: list[dict[str, Any]] = field(default_factory=list)
    grown: threading.Condition = field(default_factory=threading.Condition)
    url: str = ""

    def read(self) -> None:
        """Collects the log until the process ends."""
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            with self.grown:
                self.lines.append(json.loads(line))
                self.grown.notify_all()

    def wait_for(self, event: str, count: int = 1) -> dict[str, Any]:
        """The line of the `count`-th such event, once it is there."""

        def found() -> list[dict[str, Any]]:
            return [line for line in self.lines if line["event"] == event]

        with self.grown:
            assert self.grown.wait_for(lambda: len(found()) >= count, PATIENCE_S), self.lines
            return found()[count - 1]


@contextmanager
def running(bundle: Path, *flags: str) -> Iterator[Process]:
    """A server that listens on a free port."""
    command = [sys.executable, "-m", "service", "run", "--bundle", str(bundle), "--port", "0"]
    command += ["--sessions", "1", "--provider", "cpu", "--workers", str(WORKERS), *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as popen:
        process = Process(popen)
        reader = threading.Thread(target=process.read)
        reader.start()
        try:
            place = process.wait_for("listening")
            process.url = f"http://{place['host']}:{place['port']}"
            yield process
        finally:
            popen.kill()
            reader.join()
