"""The further variants of a bundle come in; the card's section on them goes out."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from export.card.markdown import percent, table

if TYPE_CHECKING:
    from export.variants import Added

HEADING = "Other graphs"


def variants(added: "Sequence[Added]") -> str:
    """The section."""
    parts = [
        f"## {HEADING}",
        "The same network as other graphs. Each was compared with the padded fp32 graph, both with "
        "the same\ncalibration, before this bundle was written:",
        table(_HEADINGS, [_row(one) for one in added]),
    ]
    if any("cpu" not in one.variant.providers for one in added):
        parts.append(
            "What is not for the CPU was compared as its definition in plain operators there, not "
            "by\nthe kernel that serves."
        )
    return "\n\n".join(parts)


def _row(one: "Added") -> tuple[str, ...]:
    limits = one.closeness.limits
    return (
        f"`{one.variant.file}`",
        _SAID[one.variant.precision, one.variant.layout],
        " and ".join(one.variant.providers),
        str(one.closeness.texts),
        f"{limits.tolerance:.0e}",
        percent(limits.flips),
    )


_SAID = {
    ("fp16", "padded"): "encoder in float16, the rest in float32; fused attention",
    ("fp32", "ragged"): "without padding; attention masked to each ticket",
    ("fp16", "ragged"): "without padding, encoder in float16; packed attention",
}

_HEADINGS = (
    "file",
    "what it is",
    "for",
    "texts compared",
    "a probability differs by at most",
    "labels that change, at most",
)
