"""A method, a URL, headers and JSON come in; the one HTTP request that says so goes out."""

import json
from collections.abc import Mapping
from typing import Any

import httpx

from service.shadow.variables import Completed

# Compressed replies are refused: see `connection`.
_OURS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
    "User-Agent": "harbor",
}


def build(
    method: str, url: httpx.URL, headers: Mapping[str, Completed], document: Any
) -> httpx.Request:
    """The request. headers: the operator's; they win over `Accept` and `User-Agent`."""
    given = {name: text.value for name, text in headers.items()}
    known = {name.lower() for name in given}
    ours = {name: value for name, value in _OURS.items() if name.lower() not in known}
    content = json.dumps(document, allow_nan=False).encode()
    return httpx.Request(method, url, headers={**ours, **given}, content=content)
