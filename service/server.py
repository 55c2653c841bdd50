"""An application comes in and is served until it is told to stop; what it accepted is answered.

A stop: readiness drops; after `grace_s` no more connections; after `drain_s` no more patience.
Told again, it skips the grace.
"""

import asyncio
import math
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from service.errors import StartError
from service.process import Process
from service.protocol import Protocol

STOP = (signal.SIGTERM, signal.SIGINT)

LINGER_S = 2.0
"""Seconds that connections which were just accepted have to send their first request, at most."""

_LOOK_S = 0.01

KEEP_ALIVE_S = 75
"""Longer than common proxies keep an idle connection (nginx: 60), so that they close it, not we."""


class Server(uvicorn.Server):
    """Uvicorn that drops readiness before it stops listening.

    Left to itself it closes idle and fresh connections the moment that a stop begins, and a request
    that is on its way on one of them meets a reset. Here every reply during the grace tells its
    caller to close, so that hardly any connection is left when the listening ends.
    """

    def __init__(self, app: ASGIApp, process: Process) -> None:
        super().__init__(_config(app, process))
        self._process = process
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
            if listening.family != socket.AF_UNIX:
                host, port = listening.getsockname()[:2]
                self._process.log.info("listening", host=host, port=port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Readiness, grace, no new connections, then uvicorn's own patient end."""
        settings = self._process.settings
        self._process.readiness.drop()
        self._process.log.info("stopping", grace_s=settings.grace_s, drain_s=settings.drain_s)
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


@contextmanager
def signals(handlers: Mapping[tuple[signal.Signals, ...], Callable[[], object]]) -> Iterator[None]:
    """Calls the handlers on the event loop while it is open."""
    loop = asyncio.get_running_loop()
    wanted = [(number, handler) for numbers, handler in handlers.items() for number in numbers]
    for number, handler in wanted:
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number, _ in wanted:
            loop.remove_signal_handler(number)


@contextmanager
def ending(pipe: int | None, stop: Callable[[], None]) -> Iterator[None]:
    """Calls `stop` when nobody holds the other end of the pipe any more."""
    if pipe is None:
        yield
        return
    loop = asyncio.get_running_loop()

    def ended() -> None:
        loop.remove_reader(pipe)
        stop()

    loop.add_reader(pipe, ended)
    try:
        yield
    finally:
        loop.remove_reader(pipe)


def _config(app: ASGIApp, process: Process) -> uvicorn.Config:
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
        timeout_graceful_shutdown=math.ceil(process.settings.drain_s),
    )
