"""A ticket comes in; a request of the Open Inference Protocol goes out, and its reply is read."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx

from service.contract.ticket import Ticket, render
from service.shadow.legacy import Said
from service.shadow.remote_config import V2Config, V2Output
from service.shadow.request import build
from service.shadow.said import malformed, parse, said, share


class InferenceProtocol:
    """One model of a v2 server (KServe, Triton, MLServer), asked over REST.

    Source: github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md.
    One BYTES element goes in; a tensor in a reply must carry `data`, flat or nested.
    """

    def __init__(self, config: V2Config, tasks: Collection[str]) -> None:
        """tasks: to read from the reply."""
        self._config = config
        self._url = _infer_url(config)
        self._outputs = {task: config.outputs[task] for task in tasks}
        named = (name for output in self._outputs.values() for name in output.tensors)
        self._wanted = [{"name": name} for name in dict.fromkeys(named)]

    def request(self, ticket: Ticket) -> httpx.Request:
        """The request that asks about a ticket."""
        tensor = {
            "name": self._config.input,
            "shape": list(self._config.shape),
            "datatype": "BYTES",
            "data": [render(ticket.subject, ticket.body)],
        }
        document = {"inputs": [tensor], "outputs": self._wanted}
        return build("POST", self._url, self._config.headers, document)

    def read(self, content: bytes) -> Mapping[str, Said]:
        """The answers in a reply; a task whose tensor is absent has none.

        Raises LegacyFailedError `malformed`.
        """
        tensors = dict(_tensors(parse(content)))
        answers = {task: _answer(output, tensors) for task, output in self._outputs.items()}
        return {task: answer for task, answer in answers.items() if answer is not None}


def _infer_url(config: V2Config) -> httpx.URL:
    url = httpx.URL(config.url.value)
    version = "" if config.version is None else f"/versions/{quote(config.version, safe='')}"
    path = f"{url.path.rstrip('/')}/v2/models/{quote(config.model, safe='')}{version}/infer"
    return url.copy_with(path=path)


def _tensors(document: object) -> Iterator[tuple[str, list[Any]]]:
    outputs = document.get("outputs") if isinstance(document, dict) else None
    if not isinstance(outputs, list):
        raise malformed("the reply has no list of outputs")
    for output in outputs:
        if not isinstance(output, dict) or not isinstance(output.get("name"), str):
            raise malformed("an output has no name")
        if not isinstance(output.get("data"), list):
            raise malformed("an output has no data")
        yield output["name"], list(_flat(output["data"]))


def _flat(data: list[Any]) -> Iterator[Any]:
    """A tensor's elements; the depth is bounded by what the JSON parser takes."""
    waiting = [iter(data)]
    while waiting:
        for value in waiting[-1]:
            if isinstance(value, list):
                waiting.append(iter(value))
                break
            yield value
        else:
            waiting.pop()


def _answer(output: V2Output, tensors: Mapping[str, list[Any]]) -> Said | None:
    if output.probabilities is not None:
        return _likeliest(tensors.get(output.probabilities), output.labels or ())
    label = _element(tensors.get(output.label or ""))
    if label is None:
        return None
    return said(label, _element(tensors.get(output.confidence or "")))


def _likeliest(shares: list[Any] | None, labels: tuple[str, ...]) -> Said | None:
    if shares is None:
        return None
    if len(shares) != len(labels):
        raise malformed(f"{len(shares)} probabilities for {len(labels)} labels")
    checked = [share(value) for value in shares]
    best = max(checked)
    return said(labels[checked.index(best)], best)


def _element(data: list[Any] | None) -> object:
    if data is None:
        return None
    if len(data) != 1:
        raise malformed(f"a tensor of one element has {len(data)}")
    return data[0]
