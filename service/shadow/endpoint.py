"""A ticket comes in; a request to any JSON endpoint goes out, and its reply is read by JSONPath."""

from collections.abc import Collection, Mapping

import httpx

from service.contract.ticket import Ticket
from service.shadow.legacy import Said
from service.shadow.mapping import Select, compile_path, fill
from service.shadow.remote_config import JsonConfig
from service.shadow.request import build
from service.shadow.said import malformed, parse, said


class Endpoint:
    """The declarative mapping of one endpoint: request template, JSONPaths to the answers."""

    def __init__(self, config: JsonConfig, tasks: Collection[str]) -> None:
        """tasks: to read from the reply."""
        self._config = config
        self._url = httpx.URL(config.url.value)
        outputs = {task: config.outputs[task] for task in tasks}
        self._paths: dict[str, tuple[Select, Select | None]] = {
            task: (
                compile_path(output.label),
                None if output.confidence is None else compile_path(output.confidence),
            )
            for task, output in outputs.items()
        }

    def request(self, ticket: Ticket) -> httpx.Request:
        """The request that asks about a ticket."""
        filled = fill(self._config.body, ticket)
        return build(self._config.method, self._url, self._config.headers, filled)

    def read(self, content: bytes) -> Mapping[str, Said]:
        """The answers in a reply; a task whose label is absent or null has none.

        Raises LegacyFailedError `malformed`.
        """
        document, answers = parse(content), {}
        for task, (label_path, confidence_path) in self._paths.items():
            label = _one(label_path, document)
            if label is not None:
                confidence = None if confidence_path is None else _one(confidence_path, document)
                answers[task] = said(label, confidence)
        return answers


def _one(path: Select, document: object) -> object:
    try:
        found = path(document)
    except ValueError:
        raise malformed("a JSONPath cannot be applied to the reply") from None
    if len(found) > 1:
        raise malformed("a JSONPath selects several values")
    return found[0] if found else None
