"""Requests and replies of the Open Inference Protocol."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.ticket import render
from service.shadow.inference_protocol import InferenceProtocol
from tests.service.shadow.remote_legacies import TICKET, answering, config, failure, legacy, outcome
from tests.service.shadow.remote_systems import LABELS, RemoteSystem, running


@pytest.fixture(scope="module")
def system() -> Iterator[tuple[RemoteSystem, str]]:
    healthy = RemoteSystem()
    with running(healthy) as url:
        yield healthy, url


async def test_probabilities_give_the_likeliest_label(system: tuple[RemoteSystem, str]) -> None:
    remote, url = system
    outputs = {
        task: {"probabilities": f"{task}_probabilities", "labels": labels}
        for task, labels in LABELS.items()
    }
    async with legacy(url, "v2", {"outputs": outputs}) as asked:
        answers = await asked.ask(TICKET)

    text = render(TICKET.subject, TICKET.body)
    assert {task: said.label for task, said in answers.items()} == {
        task: remote.label(task, text) for task in LABELS
    }


async def test_the_inference_protocol_is_kept_to(system: tuple[RemoteSystem, str]) -> None:
    remote, url = system
    section = {"model": "desk router", "version": "7", "shape": [1, 1]}
    async with legacy(f"{url}/", "v2", section, tasks=["queue"]) as asked:
        await asked.ask(TICKET)

    assert remote.paths[-1] == "/v2/models/desk router/versions/7/infer"
    assert remote.seen[-1] == {
        "inputs": [
            {
                "name": "TEXT",
                "shape": [1, 1],
                "datatype": "BYTES",
                "data": ["Invoice twice\nPlease refund"],
            }
        ],
        "outputs": [{"name": "queue_label"}, {"name": "queue_confidence"}],
    }


@pytest.mark.parametrize(
    "outputs",
    [
        [{"name": "category_label", "data": [["billing"]]}],
        [
            {"name": "category_label", "data": ["billing"], "shape": [1, 1]},
            {"name": "unasked", "data": [1, 2, 3]},
        ],
    ],
)
async def test_a_tensor_may_be_nested_and_others_may_stand_beside_it(outputs: Any) -> None:
    response = httpx.Response(200, json={"outputs": outputs})
    async with answering(response, "v2") as asked:
        assert (await asked.ask(TICKET))["category"].label == "billing"


@pytest.mark.parametrize(
    "outputs",
    [
        None,
        {},
        [7],
        [{"name": "category_label"}],
        [{"data": ["billing"]}],
        [{"name": "category_label", "data": []}],
        [{"name": "category_label", "data": "billing"}],
        [{"name": "category_label", "data": [None]}, {"name": "category_label", "data": [{}]}],
        [{"name": "category_label", "data": ["a"]}, {"name": "category_confidence", "data": [2]}],
    ],
)
async def test_unsound_tensors_are_malformed(outputs: Any) -> None:
    async with answering(httpx.Response(200, json={"outputs": outputs}), "v2") as asked:
        assert await failure(asked) == "malformed"


@pytest.mark.parametrize("shares", [[0.5], [0.5, 0.6, 1.5], [0.2, None, 0.1], [0.1] * 4])
async def test_unsound_probabilities_are_malformed(shares: Any) -> None:
    outputs = {"category": {"probabilities": "p", "labels": ["a", "b", "c"]}}
    response = httpx.Response(200, json={"outputs": [{"name": "p", "data": shares}]})
    async with answering(response, "v2", outputs=outputs) as asked:
        assert await failure(asked) == "malformed"


ELEMENTS = st.none() | st.booleans() | st.floats() | st.text(max_size=3) | st.integers()
DATA = st.lists(ELEMENTS | st.lists(ELEMENTS, max_size=2), max_size=3) | ELEMENTS
TENSORS = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["category_label", "category_confidence", 7]),
        "data": DATA,
    },
)


@given(st.lists(TENSORS | ELEMENTS, max_size=3) | ELEMENTS)
def test_no_reply_does_worse_than_being_malformed(outputs: Any) -> None:
    remote = config("http://crm", "v2").v2
    assert remote is not None
    content = json.dumps({"outputs": outputs}).encode()

    assert set(outcome(InferenceProtocol(remote, ["category"]).read, content)) <= {"category"}
