"""A ticket comes in; a remote system's answers go out: asked with a deadline, left alone if ill."""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

import httpx

from service.contract.tasks import Task
from service.contract.ticket import Ticket
from service.ledger.records import Role
from service.shadow.breaker import Breaker, Circuit
from service.shadow.config import Kind, LegacyConfig, check_tasks
from service.shadow.connection import Connection, open_transport
from service.shadow.endpoint import Endpoint
from service.shadow.inference_protocol import InferenceProtocol
from service.shadow.legacy import Said
from service.shadow.remote_config import JsonConfig, V2Config
from service.shadow.translation import Translation

_INLINE_BYTES = 8 * 1024


class Dialect(Protocol):
    """How one kind of remote system is asked, and how its reply is read."""

    def request(self, ticket: Ticket) -> httpx.Request:
        """The request that asks about a ticket."""
        ...

    def read(self, content: bytes) -> Mapping[str, Said]:
        """The answers in a reply. Raises LegacyFailedError `malformed`."""
        ...


class RemoteLegacy:
    """A remote system as a `Legacy`; its connections are open while its `async with` is."""

    def __init__(
        self,
        config: LegacyConfig,
        primary: Callable[[], Sequence[Task]],
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """config: of kind `v2` or `json`. primary: tasks of the bundle that answers now.

        transport: instead of a network.
        """
        self._config = config
        self._primary = primary
        self._tasks = config.tasks or tuple(_remote(config).outputs)
        self._dialect = _dialect(config, self._tasks)
        self._identity = _identity(config)
        self._translation = Translation(config.labels, primary)
        if transport is None:
            url = httpx.URL(_remote(config).url.value)
            transport = open_transport(url, config.connections)
        self._connection = Connection(transport, config.timeout_s)
        self._breaker = Breaker(config.breaker.failures, config.breaker.cooldown_s, clock)

    @property
    def name(self) -> str:
        """As configured."""
        return self._config.name

    @property
    def kind(self) -> Kind:
        """`v2` or `json`."""
        return self._config.kind

    @property
    def identity(self) -> str:
        """Digest of how it is asked: URL, headers, model, mapping, translation.

        Of `${NAME}` the name counts, not the value: a new password is no new model.
        """
        return self._identity

    @property
    def role(self) -> Role:
        """As configured: a remote system can take no seat."""
        return self._config.role

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that it is compared on."""
        return self._tasks

    @property
    def concurrency(self) -> int:
        """As many tickets as it has connections."""
        return self._config.connections

    @property
    def circuit(self) -> Circuit:
        """Whether calls are held back."""
        return self._breaker.state

    def translate(self, task: str, label: str) -> str | None:
        """Its label in the words of the bundle that answers; None where nobody said how."""
        return self._translation(task, label)

    async def ask(self, ticket: Ticket) -> Mapping[str, Said]:
        """What it says to a ticket, within the configured time.

        Raises LegacyFailedError, CircuitOpenError.
        """
        with self._breaker.call():
            content = await self._connection.exchange(self._dialect.request(ticket))
            if len(content) <= _INLINE_BYTES:
                return self._dialect.read(content)
            # A long or deep reply would hold the event loop up.
            return await asyncio.to_thread(self._dialect.read, content)

    async def __aenter__(self) -> Self:
        """Nothing is sent yet. Raises ShadowRefused where the bundle that answers does not fit."""
        check_tasks(self._config, self._primary())
        await self._connection.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes its connections."""
        await self._connection.__aexit__(kind, error, traceback)


def _remote(config: LegacyConfig) -> V2Config | JsonConfig:
    if config.remote is None:
        raise TypeError(f"legacy {config.name} is no remote system")
    return config.remote


def _dialect(config: LegacyConfig, tasks: Sequence[str]) -> Dialect:
    remote = _remote(config)
    return (
        InferenceProtocol(remote, tasks)
        if isinstance(remote, V2Config)
        else Endpoint(remote, tasks)
    )


def _identity(config: LegacyConfig) -> str:
    remote = _remote(config)
    asked: dict[str, Any] = remote.model_dump(exclude={"url", "headers"})
    asked["url"] = remote.url.written
    asked["headers"] = {name: text.written for name, text in remote.headers.items()}
    described = {"kind": config.kind, "asked": asked, "labels": config.labels}
    return "sha256:" + hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
