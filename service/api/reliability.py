"""The question how reliable the bundle is comes in; what agents' final labels say goes out."""

from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response

from service.api.schema import BundleName
from service.core import Core
from service.reliability.document import TaskReliability
from service.reliability.watch import WINDOW

JSON = "application/json"


class ReliabilityReply(BaseModel):
    """How the confidences and promises of the bundle that serves hold, by its final labels.

    at: when that was computed: once a minute, and within seconds of a final label. window: labelled
    decisions of a task that count at most, the newest ones.
    """

    model_config = ConfigDict(frozen=True)

    bundle: BundleName
    at: AwareDatetime
    window: int
    tasks: dict[str, TaskReliability]


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
