"""The question how reliable the bundle is comes in; what agents' final labels say goes out."""

from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from service.api.documents import BundleName
from service.api.reliability_documents import ReliabilityReply
from service.core import Core
from service.reliability.watch import WINDOW

__all__ = ["ReliabilityDesk", "ReliabilityReply"]

JSON = "application/json"


class ReliabilityDesk:
    """The endpoint of the live check; it reads what was computed, and waits for nothing."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def status(self, _: Request) -> Response:
        """How reliable the bundle that serves is, by the agents' final labels."""
        found = self._core.reliability.standing
        reply = ReliabilityReply(
            bundle=BundleName(version=found.version, digest=found.digest),
            at=datetime.fromtimestamp(found.at, UTC),
            window=WINDOW,
            tasks=dict(found.tasks),
        )
        return Response(reply.model_dump_json(), media_type=JSON)
