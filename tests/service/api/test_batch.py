"""`POST /route/batch`: each ticket is judged on its own, all by one bundle."""

from pathlib import Path

from service.errors import Overloaded
from tests.service.desk import TICKET, Desk, Failing, serving


async def test_each_ticket_gets_its_own_reply_or_problem_in_order(desk: Desk) -> None:
    tickets = [{**TICKET, "ticket_id": "1"}, {"subject": " "}, 7, {"bdy": "x"}, TICKET]
    reply = await desk.client.post("/route/batch", json={"tickets": tickets})
    assert reply.status_code == 200
    found = reply.json()
    assert [list(item) for item in found["results"]] == [
        ["reply"],
        ["problem"],
        ["problem"],
        ["problem"],
        ["reply"],
    ]
    assert found["results"][0]["reply"]["ticket_id"] == "1"
    assert found["results"][2]["problem"]["problems"][0]["where"] == "/tickets/2"
    assert 'harbor_tickets_total{outcome="ok"} 2.0' in desk.metrics
    assert 'harbor_tickets_total{outcome="invalid_ticket"} 3.0' in desk.metrics


async def test_an_empty_ticket_is_named_by_its_place(desk: Desk) -> None:
    tickets = [TICKET, {"body": "\n"}]
    found = (await desk.client.post("/route/batch", json={"tickets": tickets})).json()
    assert found["results"][1]["problem"]["problems"] == [
        {"where": "/tickets/1", "rule": "subject or body must hold text"}
    ]


async def test_a_batch_answers_as_the_tickets_alone_do(desk: Desk) -> None:
    bodies = ["invoice", "the server is down since " * 7, "refund"]
    alone = [(await desk.client.post("/route", json={"body": body})).json() for body in bodies]
    tickets = [{"body": body} for body in bodies]
    found = (await desk.client.post("/route/batch", json={"tickets": tickets})).json()
    for one, item in zip(alone, found["results"], strict=True):
        for task, expected in one["predictions"].items():
            assert item["reply"]["predictions"][task]["label"] == expected["label"]


async def test_request_ids_of_a_batch_are_distinct_and_told_from_its_own(desk: Desk) -> None:
    headers = {"X-Request-Id": "mine"}
    tickets = {"tickets": [TICKET, TICKET]}
    found = (await desk.client.post("/route/batch", json=tickets, headers=headers)).json()
    assert found["request_id"] == "mine"
    assert [item["reply"]["request_id"] for item in found["results"]] == ["mine-0", "mine-1"]


async def test_a_batch_is_bounded(bundle: Path) -> None:
    async with serving(bundle, max_tickets=2) as desk:
        reply = await desk.client.post("/route/batch", json={"tickets": [TICKET] * 3})
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_ticket")
    rule = "at most 2 tickets, found 3"
    assert reply.json()["problems"] == [{"where": "/tickets", "rule": rule}]


async def test_a_batch_of_nothing_is_refused(desk: Desk) -> None:
    for body in ({"tickets": []}, {}, {"tickets": "x"}, [TICKET], {"ticket": [TICKET]}):
        reply = await desk.client.post("/route/batch", json=body)
        assert (reply.status_code, reply.json()["code"]) == (422, "invalid_ticket")


async def test_a_batch_that_finds_the_queue_full_says_when_to_try_again(bundle: Path) -> None:
    async with serving(bundle, Failing(Overloaded("full", 1.5))) as desk:
        reply = await desk.client.post("/route/batch", json={"tickets": [TICKET]})
    (item,) = reply.json()["results"]
    assert (item["problem"]["code"], item["problem"]["retry_after_s"]) == ("overloaded", 2)


async def test_an_unexpected_failure_is_that_tickets_own(bundle: Path) -> None:
    async with serving(bundle, Failing(KeyError("secret"))) as desk:
        reply = await desk.client.post("/route/batch", json={"tickets": [TICKET, {}]})
        codes = [item["problem"]["code"] for item in reply.json()["results"]]
        assert codes == ["internal", "invalid_ticket"]
        assert "secret" not in reply.text + desk.stream.getvalue()
