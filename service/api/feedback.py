"""Agents' final labels come in, one ticket's or many; what became of each goes out."""

import time
from typing import Any

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


class Feedback:
    """The endpoints that take final labels."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def one(self, request: Request) -> Response:
        """Keeps the final labels of one ticket."""
        seen = visit(request)
        given = self._checked(await self._read(request), "")
        (reply,) = await self._keep([given], seen)
        return Response(reply.model_dump_json(), media_type=JSON)

    async def batch(self, request: Request) -> Response:
        """Keeps the final labels of many tickets, in one transaction; invalid ones are left out."""
        seen = visit(request)
        value = await self._read(request)
        items = validate(FeedbackBatchRequest, value, refusal=InvalidFeedback).feedback
        if len(items) > MAX_ITEMS:
            rule = f"at most {MAX_ITEMS} items, found {len(items)}"
            raise InvalidFeedback(rule, (("/feedback", rule),))
        judged = [self._judged(item, f"/feedback/{number}") for number, item in enumerate(items)]
        replies = iter(
            await self._keep([item for item in judged if isinstance(item, FeedbackRequest)], seen)
        )
        results = [
            FeedbackItem(reply=next(replies))
            if isinstance(item, FeedbackRequest)
            else FeedbackItem(problem=problem(item, seen.request_id))
            for item in judged
        ]
        reply = FeedbackBatchReply(request_id=seen.request_id, results=results)
        return Response(reply.model_dump_json(exclude_unset=True), media_type=JSON)

    async def _read(self, request: Request) -> Any:
        settings = self._core.settings
        return await read_json(request, settings.max_body_bytes, settings.timeout_s)

    def _judged(self, value: Any, where: str) -> FeedbackRequest | InvalidFeedback:
        try:
            return self._checked(value, where)
        except InvalidFeedback as fault:
            return fault

    def _checked(self, value: Any, where: str) -> FeedbackRequest:
        given = validate(FeedbackRequest, value, where, InvalidFeedback)
        known = self._tasks()
        if any(task not in known for task in given.labels):
            rule = f"an unknown task; known are {', '.join(known)}"
            raise InvalidFeedback(rule, ((f"{where}/labels", rule),))
        if given.labelled_at and given.labelled_at.timestamp() > time.time() + _CLOCK_SKEW_S:
            rule = "labelled_at lies in the future"
            raise InvalidFeedback(rule, ((f"{where}/labelled_at", rule),))
        return given

    def _tasks(self) -> dict[str, Task]:
        """Those of the bundle that answers and of the bundles beside it."""
        bundles = self._core.bundles.open
        return {task.name: task for bundle in reversed(bundles) for task in bundle.tasks}

    async def _keep(self, given: list[FeedbackRequest], seen: Visit) -> list[FeedbackReply]:
        seen.tickets += len(given)
        labels = [label for item in given for label in _final_labels(item)]
        receipt = await self._core.ledger.feedback(labels)
        unmatched = set(receipt.unmatched)
        outcomes = iter(enumerate(receipt.outcomes))
        return [
            self._reply(item, [next(outcomes) for _ in item.labels], unmatched, seen)
            for item in given
        ]

    def _reply(
        self,
        item: FeedbackRequest,
        outcomes: list[tuple[int, FeedbackOutcome]],
        unmatched: set[int],
        seen: Visit,
    ) -> FeedbackReply:
        tasks = self._tasks()
        return FeedbackReply(
            request_id=seen.request_id,
            matched=all(position not in unmatched for position, _ in outcomes),
            labels={
                task: FeedbackLabel(outcome=outcome, known=label in tasks[task].labels)
                for (task, label), (_, outcome) in zip(item.labels.items(), outcomes, strict=True)
            },
        )


def _final_labels(item: FeedbackRequest) -> list[FinalLabel]:
    at = None if item.labelled_at is None else item.labelled_at.timestamp()
    return [
        FinalLabel(task, label, item.ticket_id, item.request_id, at, item.source)
        for task, label in item.labels.items()
    ]
