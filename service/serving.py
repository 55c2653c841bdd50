"""The core's application comes in; it is opened, served until a signal says stop, and closed.

SIGTERM, SIGINT  stop, see `service.server`; a second one skips the grace.
SIGHUP           opens the active bundle's path again and swaps to it; a refused one changes
                 nothing. Many of them while one is being opened make one more swap.
"""

import signal
import socket
from contextlib import AbstractAsyncContextManager, nullcontext

from fastapi import FastAPI

from service.core import Core
from service.reloads import Reloads
from service.server import STOP, Server, ending, signals

SWAP = (signal.SIGHUP,)


async def serve(
    app: FastAPI,
    bound: socket.socket,
    beside: AbstractAsyncContextManager[object] | None = None,
    stop_at: int | None = None,
    stop: tuple[signal.Signals, ...] = STOP,
    swap: tuple[signal.Signals, ...] = SWAP,
) -> None:
    """Opens the application, serves it until it is told to stop, and closes it.

    beside: what else is open while it serves. stop_at: a pipe whose end is a stop. stop, swap: the
    signals that say so. Raises StartError.
    """
    core: Core = app.state.core
    server = Server(app, core)
    reloads = Reloads(core)

    def begin_reload() -> None:
        if server.started:  # Before that the first bundle is still being opened.
            reloads.request()

    with signals({stop: server.stop, swap: begin_reload}), ending(stop_at, server.stop):
        async with app.router.lifespan_context(app), beside or nullcontext():
            if not server.should_exit:
                await server.serve(sockets=[bound])
