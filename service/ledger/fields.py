"""A ticket's metadata comes in; the fields that the operator named go out, as text."""

from collections.abc import Mapping
from typing import Any

_CHARACTERS = 64


class KeptFields:
    """The fields of a ticket's metadata that the ledger keeps."""

    def __init__(self, names: str) -> None:
        """names: separated by commas."""
        self._names = tuple(filter(None, map(str.strip, names.split(","))))

    def of(self, metadata: Mapping[str, Any] | None) -> dict[str, str]:
        """Those that are there and scalars, as text of at most 64 characters."""
        if not metadata or not self._names:
            return {}
        kept = {name: metadata.get(name) for name in self._names}
        return {
            name: _as_text(value)
            for name, value in kept.items()
            if isinstance(value, (str, int, float))
        }


def _as_text(value: str | float) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)[:_CHARACTERS]
