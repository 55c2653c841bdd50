"""Writes of one turn of the event loop are one write."""

import asyncio
from typing import Any, cast

from service.joined import Joined


class Wire:
    """A transport that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def write(self, data: bytes) -> None:
        self.told.append(data)

    def close(self) -> None:
        self.told.append("closed")

    def is_closing(self) -> bool:
        return "closed" in self.told

    def get_extra_info(self, name: str) -> str:
        return name


def _joined(wire: Wire) -> Joined:
    return Joined(cast("asyncio.Transport", wire), asyncio.get_running_loop())


async def test_a_head_and_its_body_go_out_as_one() -> None:
    wire = Wire()
    joined = _joined(wire)
    joined.write(b"head ")
    joined.write(b"body")
    assert wire.told == []
    await asyncio.sleep(0)
    joined.write(b"next")
    await asyncio.sleep(0)
    assert wire.told == [b"head body", b"next"]


async def test_what_was_written_is_sent_before_the_close_and_nothing_after_it() -> None:
    wire = Wire()
    joined = _joined(wire)
    joined.write(b"last")
    joined.close()
    joined.write(b"late")
    await asyncio.sleep(0)
    assert wire.told == [b"last", "closed"]


async def test_all_else_is_the_transport_s_own() -> None:
    assert _joined(Wire()).get_extra_info("peername") == "peername"
