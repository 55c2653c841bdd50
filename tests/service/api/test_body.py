"""Bodies that are not what they should be: each with its problem document, none with a 500."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from service.api.body import MAX_PROBLEMS, parse, validate
from service.api.schema import TicketRequest
from service.contract.ticket import clean
from service.errors import InvalidJson, InvalidTicket
from tests.service.desk import TICKET, Desk, serving

JSON = {"Content-Type": "application/json"}

NOT_JSON = {
    "nothing": b"",
    "a word": b"hello",
    "NaN": b'{"body": "x", "metadata": {"n": NaN}}',
    "Infinity": b'{"body": "x", "metadata": {"n": -Infinity}}',
    "a deep list": b"[" * 100_000,
    "deep metadata": b'{"body": "x", "metadata": ' + b'{"a":' * 5000 + b"1" + b"}" * 5001,
    "a number without end": b'{"metadata": {"n": ' + b"9" * 100_000 + b"}}",
    "a cut": b'{"body": "x',
    "two values": b'{"body": "x"} {"body": "y"}',
    "Latin-1": '{"body": "Gebühr"}'.encode("latin-1"),
    "UTF-16": '{"body": "x"}'.encode("utf-16"),
    "an encoded surrogate": b'{"body": "\xed\xa0\xbd"}',
    "a bare control character": b'{"body": "a\x00b"}',
    "a surrogate and a fault": b'{"body": "\\ud83d", }',
}


@pytest.mark.parametrize("name", NOT_JSON)
async def test_what_is_not_json_is_a_400(desk: Desk, name: str) -> None:
    reply = await desk.client.post("/route", content=NOT_JSON[name], headers=JSON)
    assert (reply.status_code, reply.json()["code"]) == (400, "invalid_json")
    assert "line" in reply.json()["detail"]


WRONG = {
    "a list": ([], ""),
    "a string": ("subject", ""),
    "null": (None, ""),
    "a number as body": ({"body": 7}, "/body"),
    "a list as subject": ({"subject": ["a"], "body": "x"}, "/subject"),
    "a number as ticket_id": ({"body": "x", "ticket_id": 7}, "/ticket_id"),
    "a long ticket_id": ({"body": "x", "ticket_id": "7" * 201}, "/ticket_id"),
    "a list as metadata": ({"body": "x", "metadata": [1]}, "/metadata"),
    "no text": ({}, ""),
    "blank text": ({"subject": " \n", "body": "\t\u00a0\x00"}, ""),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_is_not_a_ticket_is_a_422_that_says_where(desk: Desk, name: str) -> None:
    body, where = WRONG[name]
    reply = await desk.client.post("/route", content=json.dumps(body))
    assert (reply.status_code, reply.json()["code"]) == (422, "invalid_ticket")
    assert [fault["where"] for fault in reply.json()["problems"]] == [where]


async def test_an_unknown_field_is_refused_and_a_likely_one_proposed(desk: Desk) -> None:
    reply = await desk.client.post("/route", json={"subjct": "secret", "body": "x"})
    assert reply.status_code == 422
    assert reply.json()["problems"][0]["rule"].endswith("did you mean subject?")
    reply = await desk.client.post("/route", json={"my secret": "x", "body": "x"})
    assert "secret" not in reply.text


async def test_many_faults_are_listed_up_to_a_bound(desk: Desk) -> None:
    body = {f"field {number}": 1 for number in range(5000)}
    reply = await desk.client.post("/route", json=body)
    assert len(reply.json()["problems"]) == 20


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {**JSON, "Content-Encoding": "gzip"},
    ],
)
async def test_another_media_type_is_a_415(desk: Desk, headers: dict[str, str]) -> None:
    reply = await desk.client.post("/route", content=json.dumps(TICKET), headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("headers", [{}, JSON, {"Content-Type": "Application/JSON; charset=utf-8"}])
async def test_json_with_or_without_a_name_is_read(desk: Desk, headers: dict[str, str]) -> None:
    reply = await desk.client.post("/route", content=json.dumps(TICKET), headers=headers)
    assert reply.status_code == 200


async def test_a_byte_order_mark_is_skipped(desk: Desk) -> None:
    reply = await desk.client.post("/route", content=json.dumps(TICKET).encode("utf-8-sig"))
    assert reply.status_code == 200


async def test_a_body_over_the_limit_is_refused_by_its_announced_length(bundle: Path) -> None:
    async with serving(bundle, max_body_bytes=100) as desk:
        reply = await desk.client.post("/route", json={"body": "x" * 100})
        assert (reply.status_code, reply.json()["code"]) == (413, "body_too_large")


async def test_a_body_over_the_limit_is_not_read_to_its_end(bundle: Path) -> None:
    read = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            read.append(1)
            yield b"x" * 40

    async with serving(bundle, max_body_bytes=100) as desk:
        reply = await desk.client.post("/route", content=endless())
        assert (reply.status_code, reply.json()["code"]) == (413, "body_too_large")
    assert len(read) == 3


async def test_a_body_that_stops_half_way_is_given_up(bundle: Path) -> None:
    async def half() -> AsyncIterator[bytes]:
        yield b'{"body": '
        await asyncio.Event().wait()

    async with serving(bundle, timeout_s=0.01) as desk:
        reply = await desk.client.post("/route", content=half())
        assert (reply.status_code, reply.json()["code"]) == (408, "body_timeout")


async def test_a_body_at_the_limit_is_read(bundle: Path) -> None:
    content = json.dumps({"body": "x" * 100}).encode()
    async with serving(bundle, max_body_bytes=len(content)) as desk:
        assert (await desk.client.post("/route", content=content)).status_code == 200


HALVES = ["cut \ud83d", "\ude00 cut", "\ud83d\ud83d\ude00", "\ude00\ud83d"]


@pytest.mark.parametrize("text", HALVES)
async def test_half_an_emoji_is_routed_as_the_replacement_character(desk: Desk, text: str) -> None:
    body = json.dumps({"body": text})
    half = await desk.client.post("/route", content=body)
    mended = await desk.client.post("/route", json={"body": clean(json.loads(body)["body"])})
    assert half.status_code == mended.status_code == 200
    assert half.json()["predictions"] == mended.json()["predictions"]


def test_an_escaped_backslash_before_a_surrogates_name_stays() -> None:
    body = rb'{"a": "\\ud83d \\\\ud83d \\\ud83d \ud83d\ude00 \ud83d"}'
    expected = {"a": "\\ud83d \\\\ud83d \\\ufffd \U0001f600 \ufffd"}
    assert parse(body) == expected


@given(st.text(st.characters(codec=None) | st.characters(categories=["Cs"])), st.booleans())
def test_a_string_comes_through_but_for_its_lone_surrogates(text: str, escaped: bool) -> None:
    halves = re.search("[\ud800-\udfff]", text) is not None
    body = json.dumps([text], ensure_ascii=escaped or halves).encode()
    paired = json.loads(body)[0]
    assert parse(body) == [re.sub("[\ud800-\udfff]", "\ufffd", paired)]


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_refused(body: bytes) -> None:
    try:
        value = parse(body)
    except InvalidJson:
        return
    assert json.loads(json.dumps(value)) == value


async def test_a_fault_beside_very_many_unknown_fields_is_found_and_all_are_counted(
    desk: Desk,
) -> None:
    body = {**{f"field {number}": 1 for number in range(5000)}, "body": 7}
    reply = await desk.client.post("/route", json=body)
    assert reply.json()["detail"] == "the body breaks 5001 rule(s)"
    assert "/body" in [fault["where"] for fault in reply.json()["problems"]]


def test_of_very_many_unknown_fields_only_those_that_are_listed_are_described() -> None:
    value = {f"field {number}": 1 for number in range(5000)}
    with pytest.raises(InvalidTicket) as raised:
        validate(TicketRequest, value)
    assert isinstance(raised.value.__context__, ValidationError)
    assert raised.value.__context__.error_count() == MAX_PROBLEMS


@pytest.mark.parametrize(("zeros", "status"), [("0" * 5000, 200), ("9" * 5000, 413)])
async def test_a_length_of_very_many_digits_is_read(desk: Desk, zeros: str, status: int) -> None:
    content = json.dumps(TICKET).encode()
    headers = {"Content-Length": f"{zeros}{len(content)}"}
    reply = await desk.client.post("/route", content=content, headers=headers)
    assert reply.status_code == status


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "text/plain"}])
async def test_a_refused_body_is_read_to_its_end_where_the_connection_then_closes(
    bundle: Path, headers: dict[str, str]
) -> None:
    read = []

    async def long() -> AsyncIterator[bytes]:
        for _ in range(20):
            read.append(1)
            yield b"x" * 40

    async with serving(bundle, max_body_bytes=100) as desk:
        reply = await desk.client.post(
            "/route", content=long(), headers={"Connection": "close", **headers}
        )
        assert reply.status_code in (413, 415)
    assert len(read) == 20
