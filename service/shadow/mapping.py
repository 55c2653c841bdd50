"""A ticket and a request template come in, JSON goes out; a reply and a JSONPath, a value."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from jsonpath import JSONPathEnvironment, JSONPathError

from service.contract.ticket import Ticket, clean, render

Select = Callable[[Any], list[object]]

_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")
_OF_TICKET: dict[str, Callable[[Ticket], str | None]] = {
    "subject": lambda ticket: clean(ticket.subject),
    "body": lambda ticket: clean(ticket.body),
    "text": lambda ticket: render(ticket.subject, ticket.body),
    "ticket_id": lambda ticket: None if ticket.ticket_id is None else clean(ticket.ticket_id),
}
_METADATA = "metadata."
_MAX_BYTES = 64 * 1024
# Strict is RFC 9535 as written: without it the library takes extensions of its own.
_RFC_9535 = JSONPathEnvironment(strict=True)


def check_template(template: Any) -> Any:
    """The template itself.

    Raises ValueError where it is not JSON, holds a brace or a placeholder that means nothing, or
    says nothing of the ticket.
    """
    try:
        size = len(json.dumps(template, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        raise ValueError("it must be JSON: a date or a number that is not finite is not") from None
    if size > _MAX_BYTES:
        raise ValueError(f"it must have at most {_MAX_BYTES} bytes")
    named = [name for text in _texts(template) for name in _placeholders(text)]
    if not named:
        raise ValueError("it must name a part of the ticket, such as {text} or {ticket_id}")
    return template


def fill(template: Any, ticket: Ticket) -> Any:
    """The template with the ticket's values in place of its placeholders, in one pass.

    A ticket's own braces are never read as placeholders. Text is cleaned as the model's is.
    """
    if isinstance(template, str):
        return _fill_text(template, ticket)
    if isinstance(template, list):
        return [fill(part, ticket) for part in template]
    if isinstance(template, dict):
        return {key: fill(part, ticket) for key, part in template.items()}
    return template


def compile_path(path: str) -> Select:
    """What a JSONPath (RFC 9535) selects from a JSON value, in order.

    Raises ValueError where it is none; what it gives back raises ValueError where the value is
    nested too deep for it.
    """
    try:
        compiled = _RFC_9535.compile(path)
    except (JSONPathError, RecursionError):
        raise ValueError("it must be a JSONPath (RFC 9535)") from None

    def select(value: Any) -> list[object]:
        # The library would parse a text as a JSON document of its own.
        if not isinstance(value, dict | list):
            return [value] if path == "$" else []
        try:
            return list(compiled.findall(value))
        except (JSONPathError, RecursionError):
            raise ValueError("the JSONPath cannot be applied to the value") from None

    return select


def check_path(path: str) -> str:
    """The JSONPath itself. Raises ValueError where it is none."""
    compile_path(path)
    return path


def _texts(template: Any) -> Iterator[str]:
    if isinstance(template, str):
        yield template
    elif isinstance(template, list | dict):
        for part in template.values() if isinstance(template, dict) else template:
            yield from _texts(part)


def _placeholders(text: str) -> list[str]:
    if re.search(r"[{}]", _PART.sub("", text)):
        raise ValueError("a brace that is no placeholder must be doubled")
    names = [found[1] for found in _PART.finditer(text) if found[1] is not None]
    for name in names:
        if name not in _OF_TICKET and (not name.startswith(_METADATA) or name == _METADATA):
            known = ", ".join(f"{{{one}}}" for one in _OF_TICKET)
            raise ValueError(f"{{{name}}} is none of {known} and {{metadata.FIELD}}")
    return names


def _fill_text(text: str, ticket: Ticket) -> Any:
    whole = _PART.fullmatch(text)
    if whole is not None and whole[1] is not None:
        return _value(whole[1], ticket)
    return _PART.sub(lambda part: _as_text(part, ticket), text)


def _as_text(part: re.Match[str], ticket: Ticket) -> str:
    if part[1] is None:
        return part[0][0]
    value = _value(part[1], ticket)
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _value(name: str, ticket: Ticket) -> Any:
    if name in _OF_TICKET:
        return _OF_TICKET[name](ticket)
    value = (ticket.metadata or {}).get(name.removeprefix(_METADATA))
    return clean(value) if isinstance(value, str) else value
