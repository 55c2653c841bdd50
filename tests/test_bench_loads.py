"""The load generator's loops, on a server that answers everything at once."""

import asyncio
import itertools
from typing import Any

import pytest

from tests.benchmarks.http import loads
from tests.benchmarks.http.wire import rendered

REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.readline():
        await reader.readuntil(b"\r\n\r\n{}")
        await asyncio.sleep(0.001)
        writer.write(REPLY)
    writer.close()
    await writer.wait_closed()


async def _closed(monkeypatch: pytest.MonkeyPatch) -> loads.Answers:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    sleep = asyncio.sleep

    async def early(seconds: float, *rest: Any) -> None:
        await sleep(seconds / 2, *rest)

    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        monkeypatch.setattr(asyncio, "sleep", early)
        answers = await loads.closed(url, rendered(url, [b"{}"]), itertools.repeat(0), 1, 0.2)
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})
        return answers


def test_a_timer_that_ends_early_breaks_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = asyncio.run(_closed(monkeypatch))
    assert set(answers.statuses) == {200}
    assert answers.lost == 0
    assert max(answers.moments) > 0.1
