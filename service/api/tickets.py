"""Requests to `/route` and `/route/batch` come in; a reply or a problem a ticket goes out."""

import asyncio
import time
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from service.api import headers
from service.api.body import parse, read, read_json, validate
from service.api.caller import while_connected
from service.api.problems import problem
from service.api.schema import (
    BatchItem,
    BatchReply,
    BatchRequest,
    Reply,
    TicketRequest,
    batch_json,
    reply_json,
)
from service.api.visit import Visit, visit
from service.bundle import Bundle
from service.engine.answer import Priority
from service.errors import CallerLeft, InvalidTicket, Overloaded, ServiceError
from service.logs import failure
from service.process import Process
from service.routing import Encoded, Terms, encode, route

JSON = "application/json"


class Tickets:
    """The endpoints that route tickets."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def route(self, request: Request) -> Response:
        """Routes one ticket."""
        return Response(await self.route_json(request), media_type=JSON)

    async def route_json(self, request: Request) -> bytes:
        """The reply to one ticket as JSON. A full queue refuses before the ticket is looked at."""
        seen = visit(request)
        terms = self._terms(request, seen, "live")
        settings = self._process.settings
        body = await read(request, settings.max_body_bytes, settings.timeout_s)
        with self._process.bundles.lease() as bundle:
            seen.bundle = bundle.manifest.version
            self._check_room(bundle, seen)
            work = self._counted(parse(body), "", bundle, terms, seen)
            reply = await while_connected(request, work)
        return reply_json(reply)

    async def route_batch(self, request: Request) -> Response:
        """Routes many tickets."""
        return Response(await self.batch_json(request), media_type=JSON)

    async def batch_json(self, request: Request) -> bytes:
        """The reply to many tickets as JSON, all by the bundle that serves as they come in."""
        seen = visit(request)
        terms = self._terms(request, seen, "bulk")
        settings = self._process.settings
        value = await read_json(request, settings.max_body_bytes, settings.timeout_s)
        tickets = validate(BatchRequest, value).tickets
        self._check_count(tickets)
        with self._process.bundles.lease() as bundle:
            seen.bundle = bundle.manifest.version
            work = self._items(tickets, bundle, terms, seen)
            results = await while_connected(request, work)
        reply = BatchReply(request_id=seen.request_id, bundle=bundle.name, results=results)
        return batch_json(reply)

    async def _items(
        self, tickets: list[Any], bundle: Bundle, terms: Terms, seen: Visit
    ) -> list[BatchItem]:
        async with asyncio.TaskGroup() as group:
            tasks = []
            for number, value in enumerate(tickets):
                own = replace(terms, request_id=f"{terms.request_id}-{number}")
                work = self._item(value, f"/tickets/{number}", bundle, own, seen)
                tasks.append(group.create_task(work))
                # Lets other requests in between: encoding hundreds of tickets at one go would hold
                # them up.
                await asyncio.sleep(0)
        return [task.result() for task in tasks]

    async def _item(
        self, value: Any, where: str, bundle: Bundle, terms: Terms, seen: Visit
    ) -> BatchItem:
        try:
            return BatchItem(reply=await self._counted(value, where, bundle, terms, seen))
        except Exception as error:
            if not isinstance(error, ServiceError):
                self._process.log.error("unexpected", request_id=terms.request_id, **failure(error))
            return BatchItem(problem=problem(error, terms.request_id))

    async def _counted(
        self, value: Any, where: str, bundle: Bundle, terms: Terms, seen: Visit
    ) -> Reply:
        seen.tickets += 1
        outcome = "internal"
        try:
            ticket = validate(TicketRequest, value, where)
            encoded = encode(ticket, bundle, where)
            seen.tokens += len(encoded.tokens)
            with self._process.leftover.busy():
                reply = await route(ticket, encoded, bundle, terms)
            outcome = "ok"
        except ServiceError as error:
            outcome = error.code
            raise
        except asyncio.CancelledError:
            outcome = CallerLeft.code
            raise
        finally:
            self._process.metrics.ticket(outcome)
        inside = reply.scope is None or reply.scope.inside
        self._process.metrics.routed(
            reply.predictions, reply.timings_ms, reply.truncated, inside=inside
        )
        return await self._witnessed(ticket, encoded, reply, terms)

    async def _witnessed(
        self, ticket: TicketRequest, encoded: Encoded, reply: Reply, terms: Terms
    ) -> Reply:
        """The reply as its caller gets it: with the running disagreement of each legacy."""
        recorder = self._process.recorder
        decision = recorder.decision(ticket, encoded.tokens, reply)
        asked = recorder.asked(decision, ticket)
        wait_s = terms.deadline - time.monotonic() if terms.waits_for_shadow else None
        standing = await self._process.witness.see(decision, asked, wait_s)
        reply.shadow = standing
        return reply

    def _check_room(self, bundle: Bundle, seen: Visit) -> None:
        limit = self._process.settings.max_queue
        if bundle.engine.depth >= limit:
            seen.tickets += 1
            self._process.metrics.ticket(Overloaded.code)
            wait_s = bundle.engine.predicted_wait_s
            raise Overloaded(f"{limit} tickets wait already", retry_after_s=wait_s)

    def _terms(self, request: Request, seen: Visit, default: Priority) -> Terms:
        limit_s = self._process.settings.timeout_s
        return headers.terms(request, seen.request_id, seen.arrived, limit_s, default)

    def _check_count(self, tickets: list[Any]) -> None:
        limit = self._process.settings.max_tickets
        if len(tickets) > limit:
            rule = f"at most {limit} tickets, found {len(tickets)}"
            raise InvalidTicket(rule, (("/tickets", rule),))
