"""A front's number comes in; its process serves tickets until it is told to stop."""

import asyncio
import socket
import sys
from contextlib import suppress

import httpx
import uvloop

from service.front.app import FrontApp
from service.front.front import Front, create_front
from service.front.proxy import LIMITS
from service.logs import GATHER_S, forward_library_logs, open_log
from service.server import Server, ending, signals
from service.settings import Settings
from service.workers.child import STOP
from service.workers.heart import Heart
from service.workers.sockets import Sockets

_PATIENCE_S = 1.0
"""How long a front that starts waits for the core's bundle before it takes its first caller."""


def run_front(
    settings: Settings, number: int, sockets: Sockets, lifeline: int, heart: Heart
) -> int:
    """The process's life; its exit status. number: from 0. lifeline: ends with the supervisor.
    heart: beats while it serves.
    """
    listening = sockets.fronts[number]
    sockets.keep(listening)
    name = str(number + 1)
    log = open_log(sys.stdout, settings.log_level, GATHER_S).bind(process=f"front-{name}")
    forward_library_logs(log, settings.log_level)
    front = create_front(settings, name, sockets.link_path, log)
    core = httpx.AsyncHTTPTransport(uds=str(sockets.http_path), limits=LIMITS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        server = Server(FrontApp(front, core), front)
        runner.run(_serve(front, server, core, listening, lifeline, heart))
    log.info("stopped")
    return 0


async def _serve(
    front: Front,
    server: Server,
    core: httpx.AsyncHTTPTransport,
    listening: socket.socket,
    lifeline: int,
    heart: Heart,
) -> None:
    with signals({(STOP,): server.stop}), ending(lifeline, server.stop):
        async with core, front.bundles:
            with suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE_S):
                    await front.bundles.seated.wait()
            if not server.should_exit:
                with heart.beating():
                    await server.serve(sockets=[listening])
