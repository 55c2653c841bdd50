"""Bundles come in; servers that differ in their shadow alone, and their counts, go out."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, get_args

import yaml
from prometheus_client.parser import text_string_to_metric_families

from service.contract.bundle import read_manifest
from tests.benchmarks.server import ServerFailedError, free_port, serving
from tests.service.shadow.remote_systems import Mode, json_config

OFF, AGAIN, IN_PROCESS = "off", "off, again", "in-process"
REMOTE = tuple(mode for mode in get_args(Mode) if mode != "wrong-shaped")
NAMES = (OFF, AGAIN, *REMOTE, IN_PROCESS)
# What a slot leaves behind is given up soon, so that it is gone before the next one. The breaker
# stays closed, so that the legacy is asked all the time.
SHORT_QUEUE = {"queue": 100, "max_age_s": 1.0}
ALWAYS_ASKED = {"timeout_s": 1.0, "breaker": {"failures": 10_000}}
DELAY_MS = 2.0
SETTLED_WITHIN_S = 10.0
_START_S = 20.0


@contextmanager
def side_by_side(
    bundle: Path, legacy: Path, folder: Path, names: Sequence[str] = NAMES
) -> Iterator[dict[str, str]]:
    """The address of a server for each name; every one keeps a ledger. `folder`: for files."""
    labels = {task.name: task.labels for task in read_manifest(bundle).tasks}
    with ExitStack() as stack:
        found = {}
        for number, name in enumerate(names):
            flags = ["--ledger", f"sqlite:///{folder}/{number}.db", "--log-level", "error"]
            entry: dict[str, Any] | None = None
            if name in REMOTE:
                url = stack.enter_context(remote(name, labels))
                asked = json_config(url, *labels)
                entry = {"name": "legacy", "json": asked, **ALWAYS_ASKED}
            elif name == IN_PROCESS:
                entry = {"name": "legacy", "bundle": str(legacy.resolve())}
            if entry is not None:
                path = folder / f"{name}.yaml"
                path.write_text(
                    yaml.safe_dump({**SHORT_QUEUE, "legacies": [entry]}), encoding="utf-8"
                )
                flags += ["--shadow", str(path)]
            found[name] = stack.enter_context(serving(bundle, *flags)).url
        yield found


@contextmanager
def remote(mode: str, labels: Mapping[str, Any]) -> Iterator[str]:
    """A remote system in a process of its own that runs only where the processor is idle: it stands
    for another machine, so it must not take it from the service.
    """
    port = free_port()
    command = [sys.executable, "-m", "tests.service.shadow.remote_systems", "--port", str(port)]
    command += ["--mode", mode, "--delay-ms", str(DELAY_MS), "--labels", json.dumps(labels)]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        os.sched_setscheduler(process.pid, os.SCHED_IDLE, os.sched_param(0))
        _wait_until_listening(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGKILL)  # A hung one does not end otherwise.
        process.wait()


def settle(url: str) -> None:
    """Returns once no ticket waits for a legacy, or its time is up."""
    deadline = time.monotonic() + SETTLED_WITHIN_S
    while counts(url).get("pending", 0.0) > 0 and time.monotonic() < deadline:
        time.sleep(0.05)


def counts(url: str) -> dict[str, float]:
    """What became of the shadow's answers: offered, compared, dropped, failed, pending."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as reply:
        text = reply.read().decode()
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        kind = family.name.removeprefix("harbor_shadow_")
        if kind in ("offered", "compared", "dropped", "failed", "pending"):
            values = [one.value for one in family.samples if not one.name.endswith("_created")]
            found[kind] = sum(values)
    return found


def _wait_until_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < deadline:
        if _listens(port):
            return
        time.sleep(0.05)
    raise ServerFailedError("the remote system does not listen")


def _listens(port: int) -> bool:
    listening = f"0100007F:{port:04X} 00000000:0000 0A"
    return listening in Path("/proc/net/tcp").read_text(encoding="utf-8")
