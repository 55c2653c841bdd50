"""A URL comes in; a remote legacy that asks it goes out, or one that gets a given response."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest

from service.contract.ticket import Ticket
from service.shadow.config import LegacyConfig, parse_shadow
from service.shadow.legacy import LegacyFailedError, Said
from service.shadow.remote import RemoteLegacy
from tests.service.shadow.remote_systems import json_config, v2_config
from tests.tiny_bundle import DEFAULT_TASKS

TICKET = Ticket(subject="Invoice twice", body="Please refund", ticket_id="48213")
KINDS = {"json": json_config, "v2": v2_config}
LONG_S = 30.0


def config(url: str, kind: str, section: dict[str, Any] | None = None, **keys: Any) -> LegacyConfig:
    """The legacy `crm` of this kind, with more keys in its section and beside it."""
    remote = {**KINDS[kind](url), **(section or {})}
    legacies = [{"name": "crm", kind: remote, "timeout_s": LONG_S, **keys}]
    context = {"environ": {"TOKEN": "s3cr3t", "OTHER": "0ther"}}
    return parse_shadow({"legacies": legacies}, "shadow.yaml", context).legacies[0]


def legacy(
    url: str, kind: str = "json", section: dict[str, Any] | None = None, **keys: Any
) -> RemoteLegacy:
    """The legacy itself; not open yet."""
    return RemoteLegacy(config(url, kind, section, **keys), lambda: DEFAULT_TASKS)


async def failure(asked: RemoteLegacy, ticket: Ticket = TICKET) -> str:
    """The reason for which it fails."""
    with pytest.raises(LegacyFailedError) as caught:
        await asked.ask(ticket)
    return caught.value.reason


def answering(response: httpx.Response, kind: str = "json", **section: Any) -> RemoteLegacy:
    """A legacy whose every request gets this response."""
    transport = httpx.MockTransport(lambda _: response)
    return RemoteLegacy(
        config("http://crm", kind, section, tasks=["category"]),
        lambda: DEFAULT_TASKS,
        transport=transport,
    )


def category(label: object, confidence: object = None) -> bytes:
    """A reply of the plain endpoint to one task."""
    return json.dumps({"result": {"category": {"cat": label, "score": confidence}}}).encode()


def outcome(read: Callable[[bytes], Mapping[str, Said]], content: bytes) -> Mapping[str, Said]:
    """What is read from a reply; nothing where it is malformed. Raises anything else."""
    try:
        return read(content)
    except LegacyFailedError as error:
        if error.reason != "malformed":
            raise
        return {}
