"""Questions about the shadow and orders to it come in; standing, report and seats go out."""

from starlette.requests import Request
from starlette.responses import Response

from service.api.body import read_json, validate
from service.api.caller import while_connected
from service.api.schema import BundleName
from service.api.seats import Forgotten, SeatReply, SeatRequest
from service.api.visit import visit
from service.auth import check_admin, is_admin
from service.core import Core
from service.errors import InvalidDocument, InvalidQuery, UnknownLegacy
from service.promotion import Action, Order
from service.shadow.reporting import Form
from service.shadow.runner import Shadow

JSON = "application/json"
HTML = "text/html; charset=utf-8"


class ShadowDesk:
    """The endpoints of the shadow; those that change something want the admin token."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def status(self, _: Request) -> Response:
        """How the legacies are doing, and how often they differ."""
        return Response(self._shadow().status().model_dump_json(), media_type=JSON)

    async def report(self, request: Request) -> Response:
        """The verdict with all its evidence; `format=html` or a browser gets a page.

        Text of tickets, where the ledger keeps any, is quoted for who sends the admin token.
        """
        form: Form = "html" if _wants_page(request) else "json"
        legacy = self._legacy(request.query_params.get("legacy"))
        await self._core.ledger.flush()
        with_text = is_admin(request.headers, self._core.settings)
        work = self._core.reporting.document(legacy, form, with_text=with_text)
        body = await while_connected(request, work)
        return Response(body, media_type=HTML if form == "html" else JSON)

    async def promote(self, request: Request) -> Response:
        """Seats the challenger, if the verdict is to promote."""
        return await self._obey(request, "promote")

    async def rollback(self, request: Request) -> Response:
        """Seats the incumbent again, whatever the verdict."""
        return await self._obey(request, "rollback")

    async def forget(self, request: Request) -> Response:
        """Deletes a ticket's text from the ledger, or with `everything=true` all its rows."""
        check_admin(request.headers, self._core.settings)
        given = request.query_params.get("everything", "false")
        if given not in ("true", "false"):
            raise InvalidQuery("everything must be true or false")
        ticket_id = request.path_params["ticket_id"]
        gone = await self._core.ledger.forget(ticket_id, everything=given == "true")
        rows = {name: getattr(gone, name) for name in gone.__slots__}
        reply = Forgotten(request_id=visit(request).request_id, deleted=rows)
        return Response(reply.model_dump_json(), media_type=JSON)

    async def _obey(self, request: Request, action: Action) -> Response:
        settings = self._core.settings
        check_admin(request.headers, settings)
        value = await read_json(request, settings.max_body_bytes, settings.timeout_s)
        wanted = validate(SeatRequest, value, refusal=InvalidDocument)
        order = Order(action, wanted.legacy, wanted.by, wanted.reason, wanted.force)
        done = await self._core.promotion.obey(order, self._core.witness.legacies)
        bundle = done.bundle
        reply = SeatReply(
            request_id=visit(request).request_id,
            bundle=BundleName(version=bundle.manifest.version, digest=bundle.digest),
            legacy=done.legacy,
            swapped=done.swapped,
            recorded=done.recorded,
            verdict=done.verdict,
        )
        return Response(reply.model_dump_json(), media_type=JSON)

    def _shadow(self) -> Shadow:
        if self._core.witness.shadow is None:
            raise UnknownLegacy("no legacy is configured: see the setting `shadow`")
        return self._core.witness.shadow

    def _legacy(self, name: str | None) -> str:
        known = list(self._core.witness.legacies)
        if name is None and len(known) == 1:
            return known[0]
        if name is None or name not in known:
            raise UnknownLegacy(f"legacy must be one of those that run: {', '.join(known)}")
        return name


def _wants_page(request: Request) -> bool:
    given = request.query_params.get("format")
    if given not in (None, "json", "html"):
        raise InvalidQuery("format must be json or html")
    accepts = request.headers.get("accept", "")
    return given == "html" or (given is None and accepts.startswith("text/html"))
