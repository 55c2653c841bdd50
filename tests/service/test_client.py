"""The client: typed replies, problems as exceptions; against the application in this process."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.client import HarborClient, Refused
from tests.service.desk import TICKET, Desk, serving


class Here(httpx.BaseTransport):
    """Takes a synchronous client's requests to an application on an event loop of its own."""

    def __init__(self, desk: Desk, runner: asyncio.Runner) -> None:
        self.desk, self.runner = desk, runner

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def ask() -> httpx.Response:
            sent = self.desk.client.build_request(
                request.method, request.url, content=request.read(), headers=request.headers
            )
            return await self.desk.client.send(sent)

        reply = self.runner.run(ask())
        return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)


@pytest.fixture
def client(bundle: Path) -> Iterator[HarborClient]:
    """A client of an application that serves the plain bundle."""
    with asyncio.Runner() as runner:
        opening = serving(bundle)
        desk = runner.run(opening.__aenter__())
        with HarborClient("http://desk", transport=Here(desk, runner)) as opened:
            yield opened
        runner.run(opening.__aexit__(None, None, None))


def test_a_ticket_gets_a_typed_reply(client: HarborClient) -> None:
    reply = client.route(**TICKET, ticket_id="7", top_k=1, headers={"X-Request-Id": "mine"})
    assert (reply.ticket_id, reply.request_id) == ("7", "mine")
    assert reply.predictions["urgency"].alternatives == []


def test_a_batch_gets_replies_and_problems(client: HarborClient) -> None:
    first, second = client.route_batch([TICKET, {}]).results
    assert first.reply is not None
    assert second.problem is not None
    assert second.problem.code == "invalid_ticket"


def test_the_bundle_can_be_asked_for(client: HarborClient) -> None:
    assert client.bundle().bundle.version == "test-1"


def test_a_problem_is_raised_with_its_code(client: HarborClient) -> None:
    with pytest.raises(Refused, match="invalid_ticket") as caught:
        client.route(" ")
    assert (caught.value.code, caught.value.retry_after_s) == ("invalid_ticket", None)
    assert caught.value.problem.status == 422


def test_a_proxys_answer_is_no_problem_document() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(502, text="bad gateway"))
    with (
        HarborClient("http://desk", transport=transport) as client,
        pytest.raises(httpx.HTTPStatusError, match="502"),
    ):
        client.route("x")


def test_reliability_can_be_asked_for(client: HarborClient) -> None:
    with pytest.raises(Refused, match="ledger_unavailable: the ledger is off"):
        client.reliability()
    nothing = {"n": 0, "expected": None, "observed": None, "gap": None}
    task = {**nothing, "auto": nothing, "labelled_share": None, "unknown": 0, "bins": []}
    document = {
        "bundle": {"version": "1", "digest": "sha256:1"},
        "at": "2026-01-01T00:00:00Z",
        "window": 2000,
        "tasks": {"queue": {**task, "promise": None}},
    }
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=document))
    with HarborClient("http://desk", transport=transport) as asked:
        assert asked.reliability().tasks["queue"].n == 0


def test_a_set_can_be_asked_for(client: HarborClient) -> None:
    reply = client.route(**TICKET, sets="lac", sets_per_label=True)
    assert {one.set for one in reply.predictions.values()} == {None}
    (item,) = client.route_batch([TICKET], sets="aps").results
    assert item.reply is not None
    with pytest.raises(Refused, match="sets_per needs sets"):
        client.route(**TICKET, sets_per_label=True)
    with pytest.raises(Refused, match="sets_per needs sets"):
        client.route_batch([TICKET], sets_per_label=True)
