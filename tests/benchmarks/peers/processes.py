"""A command comes in; its whole process tree runs for one `with` block and nothing of it survives.

A server's helpers may leave the tree (Ray's do, when their parent dies): each process inherits a
variable with this start's own mark, by which stragglers are found.
"""

import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil

MARK = "BENCH_PEER_MARK"
STOP_WITHIN_S = 20.0


@contextmanager
def running(
    command: Sequence[str], cwd: Path, env: Mapping[str, str], log: IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    """Starts the command; at the end asks it to end, then ends what is left of its tree."""
    mark = uuid.uuid4().hex
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd=cwd,
        env={**env, MARK: mark},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _end(process, mark)


def tree(pid: int) -> list[psutil.Process]:
    """A process and its descendants, as far as they live."""
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    members = set(tree(process.pid))
    process.terminate()
    try:
        process.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        members.update(tree(process.pid))
        process.kill()
        process.wait()
    _kill(members | _marked(mark))
    _kill(_marked(mark))  # What a dying one started meanwhile.


def _kill(members: set[psutil.Process]) -> None:
    for member in members:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(members, STOP_WITHIN_S)


def _marked(mark: str) -> set[psutil.Process]:
    found = set()
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                found.add(process)
        except psutil.Error:
            continue
    return found
