"""An application comes in and is served until a signal says stop; what was accepted is answered.

SIGTERM, SIGINT  stop: readiness drops; after `grace_s` no more connections; after `drain_s` no more
                 patience. A second signal skips the grace.
SIGHUP           opens the active bundle's path again and swaps to it; a refused one changes
                 nothing. Many of them while one is being opened make one more swap.
"""

import asyncio
import math
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn
from fastapi import FastAPI

from service.core import Core
from service.errors import ServiceError, StartError
from service.logs import failure
from service.protocol import Protocol

LINGER_S = 2.0
"""Seconds that connections which were just accepted have to send their first request, at most."""

_LOOK_S = 0.01

KEEP_ALIVE_S = 75
"""Longer than common proxies keep an idle connection (nginx: 60), so that they close it, not we."""


def bind(host: str, port: int) -> socket.socket:
    """A socket bound to the address but not listening yet.

    Raises StartError where the address is not to be had.
    """
    found = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.setblocking(False)
    except OSError as error:
        if found is not None:
            found.close()
        raise StartError(f"cannot listen on {host} port {port}: {error.strerror}") from error
    return found


async def serve(app: FastAPI, bound: socket.socket) -> None:
    """Opens the application, serves it until it is told to stop, and closes it.

    Raises StartError.
    """
    core: Core = app.state.core
    server = Server(app, core)
    with _signals(server, core):
        async with app.router.lifespan_context(app):
            if not server.should_exit:
                await server.serve(sockets=[bound])
    core.log.info("stopped")


class Server(uvicorn.Server):
    """Uvicorn that drops readiness before it stops listening.

    Left to itself it closes idle and fresh connections the moment that a stop begins, and a request
    that is on its way on one of them meets a reset. Here every reply during the grace tells its
    caller to close, so that hardly any connection is left when the listening ends.
    """

    def __init__(self, app: FastAPI, core: Core) -> None:
        super().__init__(_config(app, core))
        self._core = core
        self._hurry = asyncio.Event()

    def stop(self) -> None:
        """Begins the stop; called again, skips the grace."""
        if self.should_exit:
            self._hurry.set()
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """`serve` handles signals; uvicorn would raise them again and the exit status be theirs."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens, and says where."""
        try:
            await super().startup(sockets)
        except OSError as error:
            raise StartError(f"cannot listen: {error.strerror}") from error
        for listening in sockets or []:
            host, port = listening.getsockname()[:2]
            self._core.log.info("listening", host=host, port=port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Readiness, grace, no new connections, then uvicorn's own patient end."""
        settings = self._core.settings
        self._core.readiness.drop()
        self._core.log.info("stopping", grace_s=settings.grace_s, drain_s=settings.drain_s)
        with suppress(TimeoutError):
            async with asyncio.timeout(settings.grace_s):
                await self._hurry.wait()
        await self._stop_listening(sockets or [])
        await self._linger()
        await super().shutdown(sockets)

    async def _linger(self) -> None:
        """Waits for the first request of every connection that has not sent one yet.

        How long a caller takes between connecting and sending is up to its machine: no fixed time
        is long enough, and where nobody is awaited none is lost.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                # Uvicorn has no event for it, so it is looked at.
                while any(held.fresh for held in self._connections()):  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK_S)

    def _connections(self) -> list[Protocol]:
        held = self.server_state.connections
        return [connection for connection in held if isinstance(connection, Protocol)]

    async def _stop_listening(self, sockets: list[socket.socket]) -> None:
        """Closes the sockets, and keeps the connections that the kernel has already taken for us.

        The event loop accepts one a turn, so under load a score of callers stand in that line;
        closing over their heads would reset every one of them.
        """
        taken = [connection for listening in sockets for connection in _accept_all(listening)]
        for server in self.servers:
            server.close()
        for listening in sockets:
            listening.close()
        loop = asyncio.get_running_loop()
        for connection in taken:
            await loop.connect_accepted_socket(self._protocol, connection)

    def _protocol(self) -> asyncio.Protocol:
        kind: Any = self.config.http_protocol_class
        made: asyncio.Protocol = kind(
            config=self.config, server_state=self.server_state, app_state={}
        )
        return made


def _accept_all(listening: socket.socket) -> Iterator[socket.socket]:
    with suppress(BlockingIOError):
        while True:
            yield listening.accept()[0]


async def reload(core: Core) -> None:
    """Swaps to what lies at the active bundle's path now; after a refusal the old bundle stays."""
    try:
        await core.bundles.reload()
    except Exception as error:
        known = error if isinstance(error, ServiceError) else ServiceError("unexpected failure")
        core.metrics.swap("refused")
        core.log.error("swap refused", code=known.code, reason=str(known), **failure(error))
    else:
        core.metrics.swap("ok")


class Reloads:
    """Reloads one after the other; however many are asked for, at most one waits."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._wanted = False
        self._task: asyncio.Task[None] | None = None

    def request(self) -> asyncio.Task[None]:
        """Reloads now, or once more after the reload that is under way."""
        self._wanted = True
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())
        return self._task

    async def _run(self) -> None:
        while self._wanted:
            self._wanted = False
            await reload(self._core)


@contextmanager
def _signals(server: Server, core: Core) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    reloads = Reloads(core)

    def begin_reload() -> None:
        if server.started:  # Before that the first bundle is still being opened.
            reloads.request()

    handlers = {
        signal.SIGTERM: server.stop,
        signal.SIGINT: server.stop,
        signal.SIGHUP: begin_reload,
    }
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)


def _config(app: FastAPI, core: Core) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=2048,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=math.ceil(core.settings.drain_s),
    )
