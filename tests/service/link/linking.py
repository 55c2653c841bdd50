"""A core comes in; a front that is linked to it goes out."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from service.core import Core
from service.front.front import Front, create_front
from service.link.hub import Hub


@asynccontextmanager
async def linked(core: Core, folder: Path, name: str = "1") -> AsyncIterator[Front]:
    """A front of its own before a core that serves."""
    with socket.socket(socket.AF_UNIX) as listening:
        path = folder / f"link-{name}"
        listening.bind(str(path))
        front = create_front(core.settings, name, path, core.log)
        async with Hub(core, listening), front.bundles:
            async with asyncio.timeout(10):
                await front.bundles.seated.wait()
            yield front


@asynccontextmanager
async def at(path: Path, core: Core) -> AsyncIterator[None]:
    """A core that listens there."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        async with Hub(core, listening):
            yield
            path.unlink()  # noqa: ASYNC240
