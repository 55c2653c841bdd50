"""One request's record: filled while it is served, read for its metrics and its line in the log."""

import time
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.types import Scope

_KEY = "harbor.visit"


@dataclass(slots=True)
class Visit:
    """What is known of a request so far. outcome: `ok`, or the code of its problem."""

    request_id: str
    arrived: float = field(default_factory=time.perf_counter)
    outcome: str = "ok"
    status: int = 0
    tickets: int = 0
    tokens: int = 0
    bundle: str | None = None

    def enter(self, scope: Scope) -> None:
        """Makes the visit known to whatever handles the request."""
        scope[_KEY] = self

    @property
    def seconds(self) -> float:
        """Since the request arrived."""
        return time.perf_counter() - self.arrived


def visit(request: Request) -> Visit:
    """The visit that `Edge` opened for this request."""
    found: Visit = request.scope[_KEY]
    return found
