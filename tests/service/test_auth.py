"""The admin token: what passes, what does not."""

from pathlib import Path

import httpx
import pytest
from starlette.datastructures import Headers

from service.auth import check_admin, is_admin
from service.client import HarborClient
from service.errors import Forbidden, Unauthorized
from service.settings import Settings


def settings(token: str | None) -> Settings:
    return Settings(bundle=Path(), admin_token=token)


def sent(value: bytes) -> Headers:
    return Headers(raw=[(b"authorization", value)])


@pytest.mark.parametrize(
    "token", ["open sesame", "Schlüssel-ключ-🔑", "ends\n", "not utf-8: \udcff"]
)
def test_a_token_of_any_bytes_passes(token: str) -> None:
    as_sent = token.strip().encode(errors="surrogateescape")
    for scheme in (b"Bearer ", b"bearer ", b"BEARER  "):
        check_admin(sent(scheme + as_sent), settings(token))


@pytest.mark.parametrize(
    "value", [b"", b"Bearer", b"Bearer ", b"Bearer ada", b"Basic adam", b"adam", b"Bearer adam\xff"]
)
def test_anything_else_does_not(value: bytes) -> None:
    with pytest.raises(Unauthorized):
        check_admin(sent(value), settings("adam"))


@pytest.mark.parametrize("token", [None, "", "  \n"])
def test_without_a_token_nobody_is_admin(token: str | None) -> None:
    for value in (b"", b"Bearer ", b"Bearer  ", b"Bearer None"):
        assert not is_admin(sent(value), settings(token))
        with pytest.raises(Forbidden):
            check_admin(sent(value), settings(token))


def test_the_client_sends_a_token_of_any_characters() -> None:
    sent: list[httpx.Headers] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers)
        return httpx.Response(500)

    client = HarborClient("http://desk", transport=httpx.MockTransport(refuse))
    with client, pytest.raises(httpx.HTTPStatusError):
        client.promote("Schlüssel", by="ada")
    raw = [(name.lower(), value) for name, value in sent[0].raw]
    assert is_admin(Headers(raw=raw), settings("Schlüssel"))
