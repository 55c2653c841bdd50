"""Tickets come in as Python values; a running service's replies go out, its problems as exceptions.

It needs httpx. It never tries again by itself: `Refused.retry_after_s` says when that makes sense.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from service.api.schema import BatchReply, BundleSummary, Problem, Reply

Document = TypeVar("Document", bound=BaseModel)


class Refused(Exception):
    """The service answered with a problem. `code` is stable; decide by it, not by the text."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.code}: {problem.detail}")
        self.problem = problem
        self.code = problem.code
        self.retry_after_s = problem.retry_after_s


class HarborClient:
    """One service, over connections that are kept open; use it as a `with` block."""

    def __init__(
        self, url: str, *, timeout_s: float = 10.0, transport: httpx.BaseTransport | None = None
    ) -> None:
        """url: such as `http://127.0.0.1:8080`. timeout_s: of each step of an exchange."""
        self._http = httpx.Client(base_url=url, timeout=timeout_s, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._http.close()

    def route(
        self,
        subject: str = "",
        body: str = "",
        *,
        ticket_id: str | None = None,
        metadata: dict[str, Any] | None = None,
        top_k: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """The reply to one ticket. Raises Refused, and httpx.HTTPError where nobody answers."""
        ticket = {
            "subject": subject,
            "body": body,
            "ticket_id": ticket_id,
            "metadata": metadata,
        }
        return self._ask(Reply, "POST", "/route", ticket, top_k, headers)

    def route_batch(
        self,
        tickets: Sequence[dict[str, Any]],
        *,
        top_k: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> BatchReply:
        """A reply or a problem for each ticket, in their order. Raises as `route` does."""
        body = {"tickets": list(tickets)}
        return self._ask(BatchReply, "POST", "/route/batch", body, top_k, headers)

    def bundle(self) -> BundleSummary:
        """The bundle that serves. Raises as `route` does."""
        return self._ask(BundleSummary, "GET", "/bundle")

    def _ask(
        self,
        kind: type[Document],
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        top_k: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> Document:
        params = {} if top_k is None else {"top_k": top_k}
        reply = self._http.request(method, path, json=body, params=params, headers=headers)
        if reply.is_success:
            return kind.model_validate_json(reply.content)
        raise _refusal(reply)


def _refusal(reply: httpx.Response) -> Exception:
    try:
        return Refused(Problem.model_validate_json(reply.content))
    except ValidationError:
        # Not Harbor's own answer: a proxy's, for one.
        return httpx.HTTPStatusError(
            f"status {reply.status_code} without a problem document",
            request=reply.request,
            response=reply,
        )
