"""A ticket's metadata or text comes in; the code of its language goes out, where it can be told."""

from collections.abc import Mapping
from typing import Any

_FIELDS = ("language", "lang", "locale")
_LEAST_WORDS = 4
_LEAST_CHARACTERS = 20
_ENOUGH = 1_000


def declared(metadata: Mapping[str, Any] | None) -> str | None:
    """What the desk says: the first subtag of `language`, `lang` or `locale`, in lower case.

    None where no field holds two or three letters (RFC 5646, primary language subtag).
    """
    if not metadata:
        return None
    for field in _FIELDS:
        value = metadata.get(field)
        if isinstance(value, str):
            subtag = value.strip().replace("_", "-").partition("-")[0].lower()
            if 2 <= len(subtag) <= 3 and subtag.isascii() and subtag.isalpha():
                return subtag
    return None


def detected(text: str) -> str | None:
    """The language that py3langid takes the text for; None under four words or 20 characters."""
    beginning = text[:_ENOUGH].strip()
    if len(beginning) < _LEAST_CHARACTERS or len(beginning.split()) < _LEAST_WORDS:
        return None
    # Its model takes a moment to load, and only a shadow asks for languages.
    import py3langid

    code: str = py3langid.classify(beginning)[0]
    return code
