"""A bundle comes in; an application in this process, its client and its log go out."""

import asyncio
import io
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp

from service.app import build_app, create_core
from service.core import Core
from service.front.app import FrontApp
from service.front.front import Front, create_front
from service.link.hub import Hub
from service.logs import open_log
from service.opening import open_bundle
from service.settings import Settings

FRONTS = int(os.environ.get("TEST_WORKERS", "1")) > 1
"""Whether requests go through an HTTP front, as with `--workers 2`; `make test-workers`."""

one_process = pytest.mark.skipif(FRONTS, reason="takes the only process's bundle away")
knows_queue = pytest.mark.skipif(FRONTS, reason="a front knows the queue only while it awaits")

TICKET = {"subject": "Invoice twice", "body": "I was charged twice, please refund"}


@dataclass
class Desk:
    """A running application as its caller sees it."""

    app: FastAPI
    core: Core
    client: httpx.AsyncClient
    stream: io.StringIO
    front: Front | None = None

    @property
    def log(self) -> list[dict[str, Any]]:
        """What was logged so far."""
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    @property
    def metrics(self) -> str:
        """What a scrape would give now."""
        if self.front is not None:
            self.core.metrics.fronts.update(1, self.front.metrics.counts())
        return self.core.metrics.exposition().decode()


@asynccontextmanager
async def serving(
    bundle: Path, engine: Any = None, *, early: Any = None, **changes: Any
) -> AsyncIterator[Desk]:
    """Serves in this process. engine: stands in for the bundle's own. early: has the bundle open.
    changes: of the settings.
    """
    given = {"sessions": 1, "provider": "cpu", "ledger": "off", **changes}
    settings = Settings(bundle=bundle, **given)
    stream = io.StringIO()
    core = create_core(settings, open_log(stream, settings.log_level), early)
    if engine is not None:
        core = replace(core, bundles=FixedBundle(bundle, settings, engine))
    app = build_app(core)
    async with AsyncExitStack() as opened:
        served: ASGIApp = app
        front = None
        await opened.enter_async_context(app.router.lifespan_context(app))
        if FRONTS:
            front = await opened.enter_async_context(fronting(core))
            served = FrontApp(front, httpx.ASGITransport(app))
        transport = httpx.ASGITransport(served)
        client = httpx.AsyncClient(transport=transport, base_url="http://desk")
        yield Desk(app, core, await opened.enter_async_context(client), stream, front)


@asynccontextmanager
async def fronting(core: Core) -> AsyncIterator[Front]:
    """An HTTP front before the core, over a real socket, in this process."""
    with TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listening:
        path = Path(folder) / "core"
        listening.bind(str(path))
        front = replace(create_front(core.settings, "1", path, core.log), readiness=core.readiness)
        async with Hub(core, listening), front.bundles:
            async with asyncio.timeout(10):
                await front.bundles.seated.wait()
            yield front


class FixedBundle:
    """Stands in for `Bundles`: one bundle whose engine the test brings."""

    def __init__(self, directory: Path, settings: Settings, engine: Any) -> None:
        self.active = replace(open_bundle(directory, settings), engine=engine)

    def listen(self, _: object) -> None:
        """It never changes."""

    def settle(self, _: object) -> None:
        """It never changes."""

    async def __aenter__(self) -> "FixedBundle":
        return self

    async def __aexit__(self, *_: object) -> None:
        """There is nothing to close."""

    @contextmanager
    def lease(self) -> Any:
        yield self.active


class Failing:
    """An engine that raises the same error for every ticket."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.depth = 0
        self.predicted_wait_s = 0.0

    async def submit(self, *_: object) -> None:
        raise self.error
