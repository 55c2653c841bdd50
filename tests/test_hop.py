"""The hop from a front to the core, and the ways that bytes can cross."""

import asyncio
import os
from pathlib import Path

import numpy as np
import pytest
import uvloop

from service.contract.bundle import read_manifest
from service.contract.tokens import Tokens
from tests.benchmarks import crossings, hop
from tests.tiny_bundle import write_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("hop") / "bundle")


def test_an_instant_engine_answers_every_task(bundle: Path) -> None:
    tasks = read_manifest(bundle).tasks
    engine = hop.Instant(tasks)
    tokens = Tokens(np.arange(4, dtype=np.int64), truncated=False)
    answer = uvloop.run(engine.submit(tokens, 0.0))
    assert {name: len(row) for name, row in answer.probabilities.items()} == {
        task.name: task.classes for task in tasks
    }


def test_a_hop_is_measured(bundle: Path, tmp_path: Path) -> None:
    far, crowd = uvloop.run(hop._hop(bundle, str(tmp_path), questions=320))
    assert far > 0
    assert crowd > 0


@pytest.mark.parametrize("way", list(crossings.WAYS))
async def test_a_way_brings_every_answer_to_its_question(way: str, tmp_path: Path) -> None:
    if why := crossings.missing(way):
        pytest.skip(why)
    async with crossings.crossing(way, str(tmp_path)) as ask:
        answers = await asyncio.gather(*(ask(bytes([n]) * 200) for n in range(40)))
    assert set(answers) == {crossings.ANSWER}


def test_a_ring_gives_messages_back_in_order() -> None:
    place, kept = crossings._place("memory", "")
    shared, event, _ = map(int, place.split(","))
    out, back = (crossings.Ring(shared, 0, event) for _ in range(2))
    heard: list[bytes] = []
    for turn in range(crossings._SLOTS + 5):
        out.put(str(turn).encode())
        back.take(heard.append)
    assert heard == [str(turn).encode() for turn in range(crossings._SLOTS + 5)]
    for descriptor in kept:
        os.close(descriptor)
