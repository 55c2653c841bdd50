"""The load generator: its tickets, its measures, its faults."""

import asyncio
import itertools

import pytest

from service.api.schema import TicketRequest
from service.bench.connection import Connection
from service.bench.load import Plan, Result, measure
from service.bench.tickets import tickets


def test_a_seed_gives_the_same_tickets_and_another_one_others() -> None:
    one, same, other = (list(itertools.islice(tickets(seed), 20)) for seed in (1, 1, 2))
    assert one == same != other


def test_generated_tickets_are_tickets_of_many_lengths() -> None:
    found = [TicketRequest.model_validate(ticket) for ticket in itertools.islice(tickets(0), 200)]
    words = sorted(len(ticket.body.split()) for ticket in found)
    assert words[-1] > 5 * words[100] > 0


def test_throughput_and_percentiles_count_routed_tickets_only() -> None:
    result = Result(Plan("http://x"), elapsed_s=2.0, latencies_s=[0.001, 0.002, 0.003])
    result.statuses.update(["200", "200", "200", "503"])
    assert result.per_second == 1.5
    assert result.percentile_ms(50) == pytest.approx(2.0)


def test_an_address_must_be_plain_http() -> None:
    for url in ("https://x", "127.0.0.1:8080", "http://"):
        with pytest.raises(ValueError, match="http://host:port"):
            Connection(url)


async def test_nobody_there_is_an_error_at_once() -> None:
    with pytest.raises(OSError, match="1"):
        await measure(Plan("http://127.0.0.1:1", seconds=60))


async def test_after_a_connection_that_failed_another_is_opened() -> None:
    answers = [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(answers.pop(0))
        if not answers:
            await writer.drain()
            writer.close()
        else:
            writer.transport.abort()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Connection(f"http://127.0.0.1:{port}") as connection:
        with pytest.raises(ConnectionResetError):
            await connection.post(b"{}")
        assert await connection.post(b"{}") == (200, b"hi")
