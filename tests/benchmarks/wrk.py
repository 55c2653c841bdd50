"""Request bodies come in; wrk posts them, a different one each time, and what it met goes out.

wrk is written in C: one of its threads feeds several of Harbor's processes.
"""

import json
import math
import os
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.benchmarks.posted import Posted, Target

PROGRAM = "wrk"
CORES_A_THREAD = 4
"""One of wrk's threads for so many of the machine's cores."""
GRACE_S = 60.0
_TIMEOUT_S = 30

SCRIPT = """
local made = 0

function setup(thread)
  thread:set("place", made)
  made = made + 1
  thread:set("threads", @THREADS@)
end

function init(args)
  wrk.headers["Content-Type"] = "application/json"
  requests = {}
  for line in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("POST", nil, nil, line)
  end
  turn = math.floor(#requests * place / threads)
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\\n@RESULT@{"requests": %d, "seconds": %.6f, "p50_ms": %.6f, "p99_ms": %.6f, "failed": %d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
"""
_RESULT = "harbor: "


class WrkFailedError(RuntimeError):
    """wrk ended without a result; the message holds what it said."""


def is_there() -> bool:
    """Whether this machine has wrk."""
    return shutil.which(PROGRAM) is not None


def post(target: Target, clients: int, seconds: float) -> Posted:
    """A closed loop of clients, each with a connection of its own, for so many seconds, rounded
    up. Raises WrkFailedError.
    """
    threads = max(1, min(len(os.sched_getaffinity(0)) // CORES_A_THREAD, clients))
    with tempfile.TemporaryDirectory() as scratch:
        script, bodies = Path(scratch) / "post.lua", Path(scratch) / "bodies"
        text = SCRIPT.replace("@THREADS@", str(threads)).replace("@RESULT@", _RESULT)
        script.write_text(text, encoding="utf-8")
        bodies.write_bytes(b"".join(body + b"\n" for body in target.bodies))
        command = [PROGRAM, f"-t{threads}", f"-c{clients}", f"-d{math.ceil(seconds)}s"]
        command += [f"--timeout={_TIMEOUT_S}s", f"--script={script}", target.address]
        before = _children_s()
        run = subprocess.run(
            [*command, "--", str(bodies)],
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + GRACE_S,
        )
        cpu_s = _children_s() - before
    return read(run.stdout, run.stderr, cpu_s)


def read(said: str, complaint: str, cpu_s: float) -> Posted:
    """said: what wrk printed. Raises WrkFailedError where there is no result in it."""
    lines = [line for line in said.splitlines() if line.startswith(_RESULT)]
    if not lines:
        raise WrkFailedError((complaint or said).strip()[-500:] or "wrk said nothing")
    found = json.loads(lines[-1].removeprefix(_RESULT))
    # `requests` counts every reply, of whatever status.
    answered = max(0, found["requests"] - found["failed"])
    return Posted(
        client=PROGRAM,
        per_s=answered / found["seconds"],
        p50_ms=found["p50_ms"],
        p99_ms=found["p99_ms"],
        failed=found["failed"],
        cpu_s=cpu_s,
        wall_s=found["seconds"],
    )


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
