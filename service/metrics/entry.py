"""What the catalogue says of a metric."""

from typing import NamedTuple


class Entry(NamedTuple):
    """One line of the catalogue; README's table of metrics is tested against it."""

    name: str
    type: str
    labels: tuple[str, ...]
    help: str
