"""What every request meets: an id, problem documents, one line in the log, a count."""

import pytest

from tests.service.desk import TICKET, Desk


async def test_a_request_without_an_id_gets_one_that_sorts_by_time(desk: Desk) -> None:
    first = await desk.client.post("/route", json=TICKET)
    second = await desk.client.post("/route", json=TICKET)
    ids = [reply.headers["x-request-id"] for reply in (first, second)]
    assert [first.json()["request_id"], second.json()["request_id"]] == ids
    assert len(ids[0]) == 26
    assert ids[0][:9] <= ids[1][:9]


@pytest.mark.parametrize("path", ["/route", "/nowhere", "/livez"])
async def test_the_callers_id_comes_back_on_every_reply(desk: Desk, path: str) -> None:
    reply = await desk.client.post(path, json=TICKET, headers={"X-Request-Id": "desk-7"})
    assert reply.headers["x-request-id"] == "desk-7"
    assert reply.json()["request_id"] == "desk-7"


@pytest.mark.parametrize("value", ["", "a b", "x" * 129, "é", "a\tb"])
async def test_an_id_outside_its_rule_is_refused_and_replaced(desk: Desk, value: str) -> None:
    headers = {"X-Request-Id": value.encode("latin-1")}
    reply = await desk.client.post("/route", json=TICKET, headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (400, "invalid_header")
    assert len(reply.headers["x-request-id"]) == 26


async def test_an_unknown_path_and_a_wrong_method_are_problems_too(desk: Desk) -> None:
    missing, wrong = await desk.client.get("/nowhere"), await desk.client.get("/route")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "POST"
    for reply in (missing, wrong):
        assert reply.headers["content-type"] == "application/problem+json"


async def test_each_request_is_one_line_and_one_count(desk: Desk) -> None:
    reply = await desk.client.post("/route", json=TICKET)
    await desk.client.post("/route", json={})
    await desk.client.get("/nowhere")
    lines = [line for line in desk.log if line["event"] == "request"]
    assert [line["outcome"] for line in lines] == ["ok", "invalid_ticket", "not_found"]
    assert lines[0]["request_id"] == reply.headers["x-request-id"]
    assert (lines[0]["endpoint"], lines[0]["status"], lines[0]["tickets"]) == ("route", 200, 1)
    assert lines[0]["tokens"] > 2
    assert lines[0]["bundle"] == "test-1"
    assert 'harbor_requests_total{endpoint="route",outcome="ok"} 1.0' in desk.metrics
    assert 'harbor_requests_total{endpoint="other",outcome="not_found"} 1.0' in desk.metrics


CANARY = "xylophone-canary-7391"
BODIES = [
    {"subject": CANARY, "body": CANARY, "ticket_id": CANARY, "metadata": {CANARY: CANARY}},
    {"subject": [CANARY]},
    {CANARY: CANARY},
    {"body": 1, "metadata": CANARY},
    [CANARY],
    CANARY,
    {"tickets": [{"body": CANARY}, {CANARY: 1}, CANARY, {"body": [CANARY]}]},
]


async def test_a_tickets_text_is_in_no_log_metric_or_error(desk: Desk) -> None:
    for path in ("/route", "/route/batch"):
        for body in BODIES:
            reply = await desk.client.post(path, json=body)
            assert reply.status_code == 200 or CANARY not in reply.text
        broken = f'{{"body": "{CANARY}", {CANARY}'
        reply = await desk.client.post(path, content=broken)
        assert reply.status_code == 400
        assert CANARY not in reply.text
    await desk.client.get(f"/{CANARY}", params={"top_k": CANARY})
    await desk.client.post("/route", params={"top_k": CANARY}, json=TICKET)
    assert CANARY not in desk.stream.getvalue()
    assert CANARY not in desk.metrics


async def test_a_path_with_a_slash_too_many_is_unknown_and_no_redirect(desk: Desk) -> None:
    reply = await desk.client.post("/route/", json=TICKET)
    assert (reply.status_code, reply.json()["code"]) == (404, "not_found")
