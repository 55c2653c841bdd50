"""Tickets come in as Python values; a running service's replies go out, its problems as exceptions.

It needs httpx. It never tries again by itself: `Refused.retry_after_s` says when that makes sense.
"""

from collections.abc import Callable, Sequence
from functools import cache
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError

from service.api.reliability_documents import ReliabilityReply
from service.api.schema import (
    BatchReply,
    BundleSummary,
    FeedbackBatchReply,
    FeedbackReply,
    Problem,
    Reply,
)
from service.api.seats import Forgotten, SeatReply
from service.contract.promises import SetMethod
from service.shadow.documents import ShadowStatus
from service.shadow.findings.document import Report

Document = TypeVar("Document")

_reader: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)


class Refused(Exception):
    """The service answered with a problem. `code` is stable; decide by it, not by the text."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.code}: {problem.detail}")
        self.problem = problem
        self.code = problem.code
        self.retry_after_s = problem.retry_after_s


REPORT_TIMEOUT_S = 600.0
"""As long as the server itself gives a report."""


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
        sets: SetMethod | None = None,
        sets_per_label: bool = False,
        wait_for_shadow: bool = False,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """The reply to one ticket. Raises Refused, and httpx.HTTPError where nobody answers.

        sets: each prediction holds its conformal set of this method; sets_per_label: with coverage
        on the tickets of each label. wait_for_shadow: the reply holds what each legacy says to this
        very ticket.
        """
        ticket = {
            "subject": subject,
            "body": body,
            "ticket_id": ticket_id,
            "metadata": metadata,
        }
        params = _params(
            top_k=top_k,
            sets=sets,
            sets_per="label" if sets_per_label else None,
            shadow="wait" if wait_for_shadow else None,
        )
        return self._ask(Reply, "POST", "/route", ticket, params, headers)

    def route_batch(
        self,
        tickets: Sequence[dict[str, Any]],
        *,
        top_k: int | None = None,
        sets: SetMethod | None = None,
        sets_per_label: bool = False,
        headers: dict[str, str] | None = None,
    ) -> BatchReply:
        """A reply or a problem for each ticket, in their order. Raises as `route` does."""
        body = {"tickets": list(tickets)}
        params = _params(top_k=top_k, sets=sets, sets_per="label" if sets_per_label else None)
        return self._ask(BatchReply, "POST", "/route/batch", body, params, headers)

    def feedback(
        self,
        labels: dict[str, str],
        *,
        ticket_id: str | None = None,
        request_id: str | None = None,
        labelled_at: str | None = None,
        source: str = "agent",
    ) -> FeedbackReply:
        """Keeps an agent's final labels, by task. labelled_at: ISO 8601 with a time zone.

        Raises as `route` does; `ledger_unavailable` means that nothing was kept: send it again.
        """
        given = {
            "labels": labels,
            "ticket_id": ticket_id,
            "request_id": request_id,
            "labelled_at": labelled_at,
            "source": source,
        }
        return self._ask(FeedbackReply, "POST", "/feedback", given)

    def feedback_batch(self, feedback: Sequence[dict[str, Any]]) -> FeedbackBatchReply:
        """A reply or a problem for each item, at most 1,000. Raises as `feedback` does."""
        body = {"feedback": list(feedback)}
        return self._ask(FeedbackBatchReply, "POST", "/feedback/batch", body)

    def shadow(self) -> ShadowStatus:
        """How the legacies are doing. Raises as `route` does."""
        return self._ask(ShadowStatus, "GET", "/shadow")

    def shadow_report(self, legacy: str | None = None, token: str = "") -> Report:
        """The verdict on a legacy's pair, with its evidence. Raises as `route` does.

        token: the admin token, to see the text that the ledger keeps of disagreements.
        """
        params = _params(legacy=legacy, format="json")
        return self._ask(Report, "GET", "/shadow/report", None, params, _bearer(token))

    def promote(self, token: str, **order: Any) -> SeatReply:
        """Seats the challenger. order: legacy, by, reason, force. Raises as `route` does."""
        return self._ask(SeatReply, "POST", "/shadow/promote", order, headers=_bearer(token))

    def rollback(self, token: str, **order: Any) -> SeatReply:
        """Seats the incumbent. order: legacy, by, reason. Raises as `route` does."""
        return self._ask(SeatReply, "POST", "/shadow/rollback", order, headers=_bearer(token))

    def forget(self, token: str, ticket_id: str, *, everything: bool = False) -> Forgotten:
        """Deletes a ticket's text, or all that the ledger has of it. Raises as `route` does."""
        params = _params(everything="true" if everything else None)
        path = f"/tickets/{quote(ticket_id, safe='')}"
        return self._ask(Forgotten, "DELETE", path, None, params, _bearer(token))

    def bundle(self) -> BundleSummary:
        """The bundle that serves. Raises as `route` does."""
        return self._ask(BundleSummary, "GET", "/bundle")

    def reliability(self) -> ReliabilityReply:
        """Whether its confidences and promises hold, by the final labels. Raises as `route` does;
        `ledger_unavailable` where nothing is known, at first or without a ledger.
        """
        return self._ask(ReliabilityReply, "GET", "/reliability")

    def _ask(
        self,
        kind: type[Document],
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        params: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Document:
        # A token may hold more than the ASCII that httpx would take for granted.
        sent = httpx.Headers(headers, encoding="utf-8")
        # A report of hundreds of thousands of tickets, on which a promotion rests, takes a minute.
        rests = path.startswith("/shadow/")
        timeout = REPORT_TIMEOUT_S if rests else httpx.USE_CLIENT_DEFAULT
        reply = self._http.request(
            method, path, json=body, params=params or {}, headers=sent, timeout=timeout
        )
        if reply.is_success:
            document: Document = _reader(kind).validate_json(reply.content)
            return document
        raise _refusal(reply)


def _params(**given: Any) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


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
