"""HTTP to remote systems, on real servers where a server matters."""

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx
import psutil
import pytest

from service.shadow.connection import MAX_REPLY_BYTES
from service.shadow.remote import RemoteLegacy
from tests.service.shadow.remote_legacies import (
    KINDS,
    TICKET,
    answering,
    category,
    config,
    failure,
    legacy,
)
from tests.service.shadow.remote_systems import (
    RemoteSystem,
    running,
)
from tests.tiny_bundle import DEFAULT_TASKS


@pytest.fixture(scope="module")
def system() -> Iterator[tuple[RemoteSystem, str]]:
    healthy = RemoteSystem()
    with running(healthy) as url:
        yield healthy, url


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def connections(url: str) -> int:
    """This process's open connections to a server."""
    port = httpx.URL(url).port
    held = psutil.Process().net_connections("tcp4")
    return sum(bool(one.raddr) and one.raddr.port == port for one in held)


class Bytes(httpx.AsyncByteStream):
    """A body as it came over the wire."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    async def __aiter__(self) -> Any:
        yield self.content


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    directory = tmp_path_factory.mktemp("tls")
    names = {"ssl_certfile": f"{directory}/cert.pem", "ssl_keyfile": f"{directory}/key.pem"}
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=desk", "-addext"]
    command += ["subjectAltName=IP:127.0.0.1", "-out", names["ssl_certfile"]]
    subprocess.run([*command, "-keyout", names["ssl_keyfile"]], check=True, capture_output=True)
    return names


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    certificate: dict[str, str],
) -> None:
    with running(RemoteSystem(), **certificate) as url:
        async with legacy(url) as asked:
            assert await failure(asked) == "unreachable"


async def test_a_desks_own_authority_is_trusted_by_its_file(
    certificate: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certificate["ssl_certfile"])
    with running(RemoteSystem(), **certificate) as url:
        async with legacy(url) as asked:
            assert await asked.ask(TICKET)


async def test_a_proxy_of_the_environment_is_not_used(
    system: tuple[RemoteSystem, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with legacy(system[1]) as asked:
        assert await asked.ask(TICKET)


async def test_a_system_that_drips_is_given_up_in_time() -> None:
    class Dripping(httpx.AsyncByteStream):
        async def __aiter__(self) -> Any:
            while True:
                yield b" "
                await asyncio.sleep(0.01)

    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Dripping()))
    asked = RemoteLegacy(
        config("http://crm", "json", timeout_s=0.05), lambda: DEFAULT_TASKS, transport=transport
    )
    async with asked:
        assert await failure(asked) == "timeout"


async def test_a_cancelled_call_leaves_nothing_behind() -> None:
    system = RemoteSystem("hung")
    with running(system) as url:
        async with legacy(url, connections=1) as asked:
            for turn in range(3):
                call = asyncio.create_task(asked.ask(TICKET))
                while len(system.seen) <= turn:  # noqa: ASYNC110 - it runs in a thread.
                    await asyncio.sleep(0.001)
                call.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await call
            system.mode = "healthy"
            # The one connection is free again, and the circuit is closed.
            assert await asked.ask(TICKET)
            assert asked.circuit == "closed"


async def test_connections_are_kept_bounded_and_closed() -> None:
    with running(RemoteSystem(delay_s=0.005)) as url:
        async with legacy(url, connections=3) as asked:
            await asyncio.gather(*(asked.ask(TICKET) for _ in range(30)))
            assert asked.concurrency == 3
            assert 1 <= connections(url) <= 3
        assert connections(url) == 0


@pytest.mark.parametrize("status", [204, 301, 302, 400, 404, 429, 500, 503])
async def test_a_redirect_or_an_error_is_never_an_answer(status: int) -> None:
    response = httpx.Response(status, headers={"location": "http://elsewhere/"})
    async with answering(response) as asked:
        assert await failure(asked) == ("malformed" if status == 204 else "status")


async def test_a_compressed_reply_is_refused() -> None:
    response = httpx.Response(200, headers={"content-encoding": "br"}, stream=Bytes(b"x"))
    async with answering(response) as asked:
        assert await failure(asked) == "malformed"


async def test_a_reply_up_to_the_limit_is_read_and_one_byte_more_is_not() -> None:
    sound = category("billing")
    padded = sound + b" " * (MAX_REPLY_BYTES - len(sound))
    async with answering(httpx.Response(200, content=padded)) as asked:
        assert (await asked.ask(TICKET))["category"].label == "billing"
    async with answering(httpx.Response(200, content=padded + b" ")) as asked:
        assert await failure(asked) == "malformed"


async def test_no_secret_and_no_text_is_logged(
    system: tuple[RemoteSystem, str], kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    path = {"json": "/classify", "v2": ""}[kind]
    section = {
        "url": f"{system[1]}{path}?key=${{TOKEN}}",
        "headers": {"Authorization": "Bearer ${TOKEN}"},
    }
    async with legacy(system[1], kind, section) as asked:
        await asked.ask(TICKET)

    assert system[0].queries[-1] == "key=s3cr3t"
    assert "s3cr3t" not in caplog.text
    assert "refund" not in caplog.text
