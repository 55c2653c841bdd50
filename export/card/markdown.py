"""Cells and sections come in; Markdown goes out."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

LIMITS = "What not to use it for"
"""The section before which new ones stand."""


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a `|` in a cell stays a `|`."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def number(measures: Mapping[str, Any], name: str) -> str:
    """A measure with three decimals, empty where there is none."""
    return f"{measures[name]:.3f}" if name in measures else ""


def percent(share: float) -> str:
    """A share such as `97.1 %`."""
    return f"{100 * share:.1f} %"


def titled(card: str, version: str) -> str:
    """The card under another version."""
    return re.sub(r"\A# Harbor bundle .*", lambda _: f"# Harbor bundle {version}", card)


def with_section(card: str, section: str) -> str:
    """The card with a section that starts with `## ` and its heading, in place of the one of that
    heading, or before the limits, or at the end.
    """
    parts = _parts(card)
    headings = [_heading(part) for part in parts]
    for place in (_heading(section), LIMITS):
        if place in headings:
            at = headings.index(place)
            parts[at : at + (place == _heading(section))] = [section]
            return _joined(parts)
    return _joined([*parts, section])


def without_section(card: str, heading: str) -> str:
    """The card without the section of that heading."""
    return _joined([part for part in _parts(card) if _heading(part) != heading])


def _parts(card: str) -> list[str]:
    return re.split(r"(?m)^(?=## )", card)


def _heading(part: str) -> str:
    first = part.partition("\n")[0]
    return first.removeprefix("## ") if first.startswith("## ") else ""


def _joined(parts: Iterable[str]) -> str:
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|")
