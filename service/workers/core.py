"""Settings come in; the core process serves the fronts, and its own interface to them, till told to
stop.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import uvloop

from service.errors import StartError
from service.garbage import for_good
from service.logs import GATHER_S, forward_library_logs, open_log
from service.settings import Settings
from service.workers.child import RELOAD, STOP
from service.workers.heart import Heart
from service.workers.sockets import Sockets

READY = signal.SIGUSR1
"""What the supervisor hears once the core answers."""


def run_core(
    settings: Settings, sockets: Sockets, lifeline: int, supervisor: int, heart: Heart
) -> int:
    """The process's life; its exit status. lifeline: a pipe that ends with the supervisor, whose
    process id is the other. heart: beats while the core answers.
    """
    sockets.keep(sockets.link, sockets.http)
    log = open_log(sys.stdout, settings.log_level, GATHER_S).bind(process="core")
    forward_library_logs(log, settings.log_level)
    # Who stops this process has stopped the fronts first: nobody is left to be graceful to.
    own = settings.model_copy(update={"grace_s": 0.0})
    try:
        with for_good():
            from service.early import Early

            early = Early(own)
            from service.app import create_app
            from service.link.hub import Hub
            from service.serving import serve

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            app = create_app(own, log, early)
            hub = Hub(app.state.core, sockets.link)
            beside = _announced(hub, supervisor, heart)
            runner.run(serve(app, sockets.http, beside, lifeline, (STOP,), (RELOAD,)))
        log.info("stopped")
    except StartError as error:
        print(f"harbor-serve: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


@asynccontextmanager
async def _announced(
    hub: AbstractAsyncContextManager[object], supervisor: int, heart: Heart
) -> AsyncIterator[None]:
    async with hub:
        if os.getppid() == supervisor:  # It may be gone, and its children another's.
            os.kill(supervisor, READY)
        with heart.beating():
            yield
