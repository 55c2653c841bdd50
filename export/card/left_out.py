"""What the labelled tickets did not suffice for comes in; the card's section on it goes out."""

from collections.abc import Iterable

HEADING = "Left out"


def left_out(notes: Iterable[str]) -> str:
    """The section."""
    return f"## {HEADING}\n\n{listed(notes)}"


def listed(notes: Iterable[str]) -> str:
    """A line each."""
    return "\n".join(f"- {note}" for note in notes)
