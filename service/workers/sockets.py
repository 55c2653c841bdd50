"""An address comes in; the sockets that several processes serve it with go out."""

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from service.errors import StartError
from service.listening import bind

_BACKLOG = 128


@dataclass(frozen=True, slots=True)
class Sockets:
    """All that the processes listen on, open in the supervisor as long as it serves.

    fronts: one each on the same port, where the fronts begin to listen; the kernel spreads
    connections over them. As the supervisor holds them too, connections that a lost front had not
    taken yet wait for the one that follows it. link: where fronts ask the core. http: the core's
    own interface. folder: of both, private.
    """

    fronts: list[socket.socket]
    link: socket.socket
    http: socket.socket
    folder: Path

    @property
    def link_path(self) -> Path:
        """Of the link's socket."""
        return self.folder / "link"

    @property
    def http_path(self) -> Path:
        """Of the socket of the core's own interface."""
        return self.folder / "http"

    def keep(self, *kept: socket.socket) -> None:
        """Closes all others: a process that holds one it does not serve would swallow callers."""
        for held in (*self.fronts, self.link, self.http):
            if held not in kept:
                held.close()


@contextmanager
def open_sockets(host: str, port: int, fronts: int) -> Iterator[Sockets]:
    """The sockets while it is open. Raises StartError where the address is not to be had."""
    with ExitStack() as opened:
        # Alone first: a shared port would let a second service in unnoticed.
        with bind(host, port) as alone:
            address, port = alone.getsockname()[:2]
        opened.enter_context(_claim(address, port))
        same = [opened.enter_context(bind(host, port, shared=True)) for _ in range(fronts)]
        folder = Path(opened.enter_context(TemporaryDirectory(prefix="harbor-")))
        link, http = (opened.enter_context(_unix(folder / name)) for name in ("link", "http"))
        yield Sockets(same, link, http, folder)


def _claim(address: str, port: int) -> socket.socket:
    """Held as long as the port is: two services that begin at once would otherwise share it."""
    claim = socket.socket(socket.AF_UNIX)
    if sys.platform == "linux":
        try:
            claim.bind(f"\0harbor-{address}-{port}")
        except OSError as error:
            claim.close()
            raise StartError(f"cannot listen on {address} port {port}: {error.strerror}") from error
    return claim


def _unix(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen(_BACKLOG)
    listening.setblocking(False)
    return listening
