"""Agents' final labels come in, one ticket's or many; what became of each goes out."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from itertools import islice
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from service.api.body import read_json, validate
from service.api.problems import problem
from service.api.schema import (
    FeedbackBatchReply,
    FeedbackBatchRequest,
    FeedbackItem,
    FeedbackLabel,
    FeedbackReply,
    FeedbackRequest,
)
from service.api.visit import Visit, visit
from service.contract.tasks import Task
from service.core import Core
from service.errors import InvalidFeedback
from service.ledger.records import FeedbackOutcome, FinalLabel

JSON = "application/json"
MAX_ITEMS = 1000
_CLOCK_SKEW_S = 300.0
_AT_ONCE = 10

Tasks = Mapping[str, Task]
T = TypeVar("T")

Kept = tuple[FeedbackOutcome, bool]
"""What became of a label, and whether it matches a decision."""


class Feedback:
    """The endpoints that take final labels."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def one(self, request: Request) -> Response:
        """Keeps the final labels of one ticket."""
        seen = visit(request)
        known = self._tasks()
        given = _checked(await self._read(request), "", known)
        (receipt,) = await self._keep([given], seen)
        return Response(_reply(given, receipt, known, seen).model_dump_json(), media_type=JSON)

    async def batch(self, request: Request) -> Response:
        """Keeps the final labels of many tickets, in one transaction; invalid ones are left out."""
        seen = visit(request)
        value = await self._read(request)
        items = validate(FeedbackBatchRequest, value, refusal=InvalidFeedback).feedback
        if len(items) > MAX_ITEMS:
            rule = f"at most {MAX_ITEMS} items, found {len(items)}"
            raise InvalidFeedback(rule, (("/feedback", rule),))
        known = self._tasks()
        judged = [
            _judged(item, f"/feedback/{number}", known)
            async for number, item in _by_and_by(enumerate(items))
        ]
        given = [item for item in judged if isinstance(item, FeedbackRequest)]
        receipts = iter(await self._keep(given, seen))
        results = [
            FeedbackItem(reply=_reply(item, next(receipts), known, seen))
            if isinstance(item, FeedbackRequest)
            else FeedbackItem(problem=problem(item, seen.request_id))
            async for item in _by_and_by(judged)
        ]
        reply = FeedbackBatchReply(request_id=seen.request_id, results=results)
        return Response(reply.model_dump_json(exclude_unset=True), media_type=JSON)

    async def _read(self, request: Request) -> Any:
        settings = self._core.settings
        return await read_json(request, settings.max_body_bytes, settings.timeout_s)

    def _tasks(self) -> Tasks:
        """Those of the bundle that answers and of the bundles beside it.

        Asked for once in a request: a swap may take one away before the reply.
        """
        bundles = self._core.bundles.open
        return {task.name: task for bundle in reversed(bundles) for task in bundle.tasks}

    async def _keep(self, given: list[FeedbackRequest], seen: Visit) -> list[list[Kept]]:
        """What became of each item's labels, in their order."""
        seen.tickets += len(given)
        labels = [label for item in given for label in _final_labels(item)]
        receipt = await self._core.ledger.feedback(labels)
        unmatched = set(receipt.unmatched)
        kept = ((said, at not in unmatched) for at, said in enumerate(receipt.outcomes))
        return [list(islice(kept, len(item.labels))) for item in given]


async def _by_and_by(items: Iterable[T]) -> AsyncIterator[T]:
    """The items, with a pause now and then in which other callers' tickets go on."""
    for number, item in enumerate(items):
        if number % _AT_ONCE == _AT_ONCE - 1:
            await asyncio.sleep(0)
        yield item


def _judged(value: Any, where: str, known: Tasks) -> FeedbackRequest | InvalidFeedback:
    try:
        return _checked(value, where, known)
    except InvalidFeedback as fault:
        return fault


def _checked(value: Any, where: str, known: Tasks) -> FeedbackRequest:
    given = validate(FeedbackRequest, value, where, InvalidFeedback)
    if any(task not in known for task in given.labels):
        rule = f"an unknown task; known are {', '.join(known)}"
        raise InvalidFeedback(rule, ((f"{where}/labels", rule),))
    if given.labelled_at and given.labelled_at.timestamp() > time.time() + _CLOCK_SKEW_S:
        rule = "labelled_at lies in the future"
        raise InvalidFeedback(rule, ((f"{where}/labelled_at", rule),))
    return given


def _reply(item: FeedbackRequest, kept: list[Kept], known: Tasks, seen: Visit) -> FeedbackReply:
    return FeedbackReply(
        request_id=seen.request_id,
        matched=all(matched for _, matched in kept),
        labels={
            task: FeedbackLabel(outcome=outcome, known=label in known[task].labels)
            for (task, label), (outcome, _) in zip(item.labels.items(), kept, strict=True)
        },
    )


def _final_labels(item: FeedbackRequest) -> list[FinalLabel]:
    at = None if item.labelled_at is None else item.labelled_at.timestamp()
    return [
        FinalLabel(task, label, item.ticket_id, item.request_id, at, item.source)
        for task, label in item.labels.items()
    ]
