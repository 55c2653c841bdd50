"""Replies of a plain JSON endpoint, sound and not."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.shadow.endpoint import Endpoint
from service.shadow.said import MAX_LABEL
from tests.service.shadow.remote_legacies import (
    TICKET,
    answering,
    category,
    config,
    failure,
    outcome,
)


@pytest.mark.parametrize(
    "content",
    [
        category("billing", 1.5),
        category("billing", -0.1),
        category("billing", "0.5"),
        category("billing", True),
        category("billing", float("nan")),
        category("billing", float("inf")),
        category(["billing"]),
        category(0.5),
        category(True),
        category(""),
        category("x" * 201),
        b'{"result": {"category": {"cat": "billing", "score": 1e999}}}',
        b'{"result": {"category": {"cat": "billing", "score": %s}}}' % (b"1" * 5000),
        b"\xff\xfe",
        b"{" * 5000,
        b"[" * 5000,
    ],
)
async def test_an_unsound_answer_is_malformed(content: bytes) -> None:
    async with answering(httpx.Response(200, content=content)) as asked:
        assert await failure(asked) == "malformed"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (category("billing", 1), ("billing", 1.0)),
        (category("billing"), ("billing", None)),
        (category(17, 0.25), ("17", 0.25)),
        (category("a\ud800b"), ("a\ufffdb", None)),
        (b'\xef\xbb\xbf{"result": {"category": {"cat": "billing"}}}', ("billing", None)),
    ],
)
async def test_a_sound_answer_is_taken(content: bytes, said: tuple[str, float | None]) -> None:
    async with answering(httpx.Response(200, content=content)) as asked:
        answer = (await asked.ask(TICKET))["category"]

    assert (answer.label, answer.confidence) == said


@pytest.mark.parametrize("content", [b"{}", b"null", b"[]", b'"text"', category(None, 0.5)])
async def test_a_reply_without_the_task_has_no_answer_to_it(content: bytes) -> None:
    async with answering(httpx.Response(200, content=content)) as asked:
        assert await asked.ask(TICKET) == {}


async def test_a_path_that_finds_several_labels_is_malformed() -> None:
    outputs = {"category": {"label": "$.best[*].label"}}
    content = b'{"best": [{"label": "billing"}, {"label": "account"}]}'
    async with answering(httpx.Response(200, content=content), outputs=outputs) as asked:
        assert await failure(asked) == "malformed"


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
KEYS = st.sampled_from(["result", "category", "cat", "score", "other"])
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner), max_leaves=20
)


@given(JSON)
def test_no_reply_does_worse_than_being_malformed(document: Any) -> None:
    remote = config("http://crm", "json").json_
    assert remote is not None
    answers = outcome(Endpoint(remote, ["category"]).read, json.dumps(document).encode())

    assert all(0 < len(said.label) <= MAX_LABEL for said in answers.values())
    assert all(said.confidence is None or 0 <= said.confidence <= 1 for said in answers.values())


@given(st.binary() | st.text(alphabet='{}[]":,0123eE-. truefalsn\\u').map(str.encode))
def test_no_bytes_do_worse_than_being_malformed(content: bytes) -> None:
    remote = config("http://crm", "json").json_
    assert remote is not None
    outcome(Endpoint(remote, ["category"]).read, content)
