"""A directory comes in; a real PostgreSQL server that only this machine can reach goes out."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_VERSIONS = Path("/usr/lib/postgresql")
_USER = "postgres"


class Postgres:
    """A server on a Unix socket; its data do not outlive it."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self.folder, self._binaries = folder, binaries
        self._databases = 0

    def start(self) -> None:
        """Returns once it answers."""
        options = f"-k {self.folder} -c listen_addresses='' -c fsync=off -c timezone=UTC"
        self._control("start", "-w", "-o", options, "-l", str(self.folder / "log"))

    def stop(self) -> None:
        """Ends every connection."""
        self._control("stop", "-w", "-m", "immediate")

    def create(self) -> str:
        """The URL of a new, empty database."""
        self._databases += 1
        name = f"ledger{self._databases}"
        self._run("createdb", "-h", str(self.folder), "-U", _USER, name)
        return f"postgresql://{_USER}@/{name}?host={self.folder}"

    def prepare(self) -> None:
        """Makes the cluster."""
        self._run("initdb", "-D", self._data, "-A", "trust", "-U", _USER, "-N", "-E", "UTF8")

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", self._data, *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        # The server refuses to run as root.
        user = _USER if os.geteuid() == 0 else None
        subprocess.run(
            [str(self._binaries / program), *arguments],
            check=True,
            user=user,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            timeout=120,
        )


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A running server. Where none is installed the test is skipped, or fails in CI."""
    binaries = _binaries()
    if binaries is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI needs PostgreSQL")
        pytest.skip("PostgreSQL is not installed")
    # Not under pytest's own folder: the server's user could not enter it.
    folder = Path(tempfile.mkdtemp(prefix="harbor-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, _USER)
    server = Postgres(folder, binaries)
    try:
        server.prepare()
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path | None:
    found = sorted(_VERSIONS.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return None if on_path is None else Path(on_path).parent
