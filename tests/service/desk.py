"""A bundle comes in; an application in this process, its client and its log go out."""

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from service.app import build_app, create_core
from service.bundles import open_bundle
from service.core import Core
from service.logs import open_log
from service.settings import Settings

TICKET = {"subject": "Invoice twice", "body": "I was charged twice, please refund"}


@dataclass
class Desk:
    """A running application as its caller sees it."""

    app: FastAPI
    core: Core
    client: httpx.AsyncClient
    stream: io.StringIO

    @property
    def log(self) -> list[dict[str, Any]]:
        """What was logged so far."""
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    @property
    def metrics(self) -> str:
        """What a scrape would give now."""
        return self.core.metrics.exposition().decode()


@asynccontextmanager
async def serving(bundle: Path, engine: Any = None, **changes: Any) -> AsyncIterator[Desk]:
    """Serves in this process. engine: stands in for the bundle's own. changes: of the settings."""
    given = {"sessions": 1, "provider": "cpu", "ledger": "off", **changes}
    settings = Settings(bundle=bundle, **given)
    stream = io.StringIO()
    core = create_core(settings, open_log(stream, settings.log_level))
    if engine is not None:
        core = replace(core, bundles=FixedBundle(bundle, settings, engine))
    app = build_app(core)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://desk") as client,
    ):
        yield Desk(app, core, client, stream)


class FixedBundle:
    """Stands in for `Bundles`: one bundle whose engine the test brings."""

    def __init__(self, directory: Path, settings: Settings, engine: Any) -> None:
        self.active = replace(open_bundle(directory, settings), engine=engine)

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

    async def submit(self, *_: object) -> None:
        raise self.error
