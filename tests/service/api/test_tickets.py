"""`POST /route`: the reply as the design fixes it, terms by header, refusals of the engine."""

import asyncio
from pathlib import Path

import httpx
import pytest

from service.errors import Closing, DeadlineExceeded, InferenceFailed, Overloaded
from tests.service.desk import TICKET, Desk, Failing, knows_queue, serving

FIELDS = [
    "request_id",
    "ticket_id",
    "bundle",
    "predictions",
    "scope",
    "needs_human",
    "truncated",
    "degraded",
    "provider",
    "shadow",
    "timings_ms",
]

PREDICTION = [
    "label",
    "confidence",
    "decision",
    "threshold",
    "alternatives",
    "promise",
    "likeliest",
    "set",
]


async def test_the_reply_has_the_public_shape(desk: Desk) -> None:
    reply = await desk.client.post("/route", json={**TICKET, "ticket_id": "48213"})
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    found = reply.json()
    assert list(found) == FIELDS
    assert found["ticket_id"] == "48213"
    assert found["bundle"] == {
        "version": "test-1",
        "digest": desk.core.bundles.active.digest,
    }
    assert list(found["predictions"]) == ["category", "urgency", "queue"]
    assert list(found["timings_ms"]) == ["tokenize", "queue", "infer", "total"]
    assert list(found["predictions"]["queue"]) == PREDICTION
    assert (found["provider"], found["degraded"], found["shadow"]) == ("cpu", False, None)


async def test_without_thresholds_every_decision_is_a_humans(desk: Desk) -> None:
    found = (await desk.client.post("/route", json=TICKET)).json()
    assert {one["decision"] for one in found["predictions"].values()} == {"human"}
    assert {one["threshold"] for one in found["predictions"].values()} == {None}
    assert found["needs_human"] is True


async def test_thresholds_of_the_bundle_decide(promising: Path) -> None:
    async with serving(promising) as desk:
        found = (await desk.client.post("/route", json=TICKET)).json()["predictions"]
    assert (found["category"]["decision"], found["category"]["threshold"]) == ("auto", 0.0)
    assert (found["urgency"]["decision"], found["urgency"]["threshold"]) == ("suggest", 1.0)
    assert (found["queue"]["decision"], found["queue"]["threshold"]) == ("human", None)


@pytest.mark.parametrize(("top_k", "others"), [("1", 0), ("2", 1), ("100", 3)])
async def test_top_k_sets_how_many_labels_come_back(desk: Desk, top_k: str, others: int) -> None:
    reply = await desk.client.post("/route", params={"top_k": top_k}, json=TICKET)
    assert len(reply.json()["predictions"]["urgency"]["alternatives"]) == others


async def test_a_ticket_that_is_too_long_is_cut_and_the_reply_says_so(desk: Desk) -> None:
    reply = await desk.client.post("/route", json={"body": "charged twice " * 80_000})
    assert reply.json()["truncated"] is True
    assert "harbor_truncated_total 1.0" in desk.metrics


@pytest.mark.parametrize(
    "text",
    ["🙈 printer 🔥", "מדפסת אינה פועלת", "a\x00b", "\u202eback", "\u200b", "line\r\nline"],
)
async def test_unusual_text_is_routed(desk: Desk, text: str) -> None:
    assert (await desk.client.post("/route", json={"body": text})).status_code == 200


async def test_tickets_at_once_get_their_own_answers(desk: Desk) -> None:
    bodies = ["invoice", "password reset mail", "server down " * 9, "refund please"] * 8
    alone = [await desk.client.post("/route", json={"body": body}) for body in bodies[:4]]
    posts = [desk.client.post("/route", json={"body": body}) for body in bodies]
    for number, reply in enumerate(await asyncio.gather(*posts)):
        for task, expected in alone[number % 4].json()["predictions"].items():
            found = reply.json()["predictions"][task]
            assert found["label"] == expected["label"]
            assert found["confidence"] == pytest.approx(expected["confidence"], abs=1e-5)


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "soon", "9999999999", ""])
async def test_a_timeout_is_a_positive_number_of_milliseconds(desk: Desk, value: str) -> None:
    reply = await desk.client.post("/route", json=TICKET, headers={"X-Request-Timeout-Ms": value})
    assert (reply.status_code, reply.json()["code"]) == (400, "invalid_header")


async def test_a_priority_is_live_or_bulk(desk: Desk) -> None:
    reply = await desk.client.post("/route", json=TICKET, headers={"X-Priority": "urgent"})
    assert (reply.status_code, reply.json()["code"]) == (400, "invalid_header")


@pytest.mark.parametrize("value", ["0", "101", "x", "1e1", "-1"])
async def test_top_k_is_bounded(desk: Desk, value: str) -> None:
    reply = await desk.client.post("/route", params={"top_k": value}, json=TICKET)
    assert (reply.status_code, reply.json()["code"]) == (400, "invalid_query")


class Noting:
    """An engine that keeps what it was asked and refuses."""

    depth, predicted_wait_s = 0, 0.0

    def __init__(self) -> None:
        self.asked: list[tuple[float, str]] = []

    async def submit(self, _: object, deadline: float, priority: str) -> None:
        self.asked.append((deadline, priority))
        raise DeadlineExceeded("the deadline passed before the answer")


async def test_headers_set_deadline_and_priority_within_the_limits(bundle: Path) -> None:
    engine = Noting()
    async with serving(bundle, engine) as desk:
        for headers in (
            {"X-Request-Timeout-Ms": "1"},
            {"X-Request-Timeout-Ms": "5000", "X-Priority": "bulk"},
            {"X-Request-Timeout-Ms": "999999999"},
            {},
        ):
            await desk.client.post("/route", json=TICKET, headers=headers)
    deadlines = [deadline for deadline, _ in engine.asked]
    assert deadlines[0] + 3 < deadlines[1] < deadlines[2] - 3
    assert deadlines[2] == pytest.approx(deadlines[3], abs=4)
    assert [priority for _, priority in engine.asked] == ["live", "bulk", "live", "live"]


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (Overloaded("1024 tickets wait already", 2.1), 503, "3"),
        (Overloaded("1024 tickets wait already", 0.01), 503, "1"),
        (Closing("the engine is closing"), 503, "1"),
        (DeadlineExceeded("the deadline passed"), 504, None),
        (InferenceFailed("the graph failed"), 500, None),
    ],
)
async def test_what_the_engine_refuses_becomes_a_problem(
    bundle: Path, error: Exception, status: int, retry_after: str | None
) -> None:
    async with serving(bundle, Failing(error)) as desk:
        reply = await desk.client.post("/route", json=TICKET)
        assert reply.status_code == status
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.headers.get("retry-after") == retry_after
        found = reply.json()
        assert found["code"] == type(error).code
        assert found.get("retry_after_s") == (int(retry_after) if retry_after else None)
        assert f'harbor_tickets_total{{outcome="{found["code"]}"}} 1.0' in desk.metrics


class Full:
    """An engine whose queue is full; it is asked nothing."""

    depth, predicted_wait_s = 1024, 2.1


@knows_queue
@pytest.mark.parametrize("content", [b'{"body": "printer"}', b"{", b"{}"])
async def test_a_full_queue_refuses_before_the_ticket_is_looked_at(
    bundle: Path, content: bytes
) -> None:
    async with serving(bundle, Full()) as desk:
        reply = await desk.client.post("/route", content=content)
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "3")
        assert reply.json()["detail"] == "1024 tickets wait already"
        assert 'harbor_tickets_total{outcome="overloaded"} 1.0' in desk.metrics
        line = desk.log[-1]
        assert (line["endpoint"], line["outcome"], line["tickets"]) == ("route", "overloaded", 1)


async def test_an_unexpected_failure_is_a_problem_without_its_message(bundle: Path) -> None:
    async with serving(bundle, Failing(ValueError("secret ticket text"))) as desk:
        reply = await desk.client.post("/route", json=TICKET)
        assert (reply.status_code, reply.json()["code"]) == (500, "internal")
        assert "secret" not in reply.text
        lines = [line for line in desk.log if line["event"] == "unexpected"]
        assert lines[0]["error"] == "ValueError"
        assert lines[-1]["request_id"] == reply.headers["x-request-id"]
        assert "secret" not in desk.stream.getvalue()


class Waiting:
    """An engine that never answers, and knows when it was given up on."""

    depth, predicted_wait_s = 0, 0.0

    def __init__(self) -> None:
        self.asked, self.left = asyncio.Event(), asyncio.Event()

    async def submit(self, *_: object) -> None:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left.set()


@pytest.mark.parametrize("path", ["/route", "/route/batch"])
async def test_a_caller_who_leaves_takes_the_ticket_along(bundle: Path, path: str) -> None:
    engine = Waiting()
    body = httpx.Request("POST", "http://desk", json=TICKET).content
    if path == "/route/batch":
        body = b'{"tickets": [' + body + b"]}"
    messages = [{"type": "http.request", "body": body}]
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
    }

    async def receive() -> dict[str, object]:
        if messages:
            return messages.pop()
        await engine.asked.wait()
        return {"type": "http.disconnect"}

    async def send(_: object) -> None:
        """Nobody listens."""

    async with serving(bundle, engine) as desk:
        await desk.app(scope, receive, send)
        assert engine.left.is_set()
        assert desk.log[-1]["outcome"] == "caller_left"
        assert 'harbor_tickets_total{outcome="caller_left"} 1.0' in desk.metrics
