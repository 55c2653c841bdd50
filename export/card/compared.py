"""A kept comparison with single-task models comes in; the card's section on it goes out."""

from collections.abc import Mapping
from typing import Any

from export.card.left_out import listed
from export.card.markdown import table
from training.compare.console import AGAINST
from training.compare.keep import KEY, comparison_rows

HEADING = "Learned together or alone"


def compared(metrics: Mapping[str, Any]) -> str | None:
    """The section; None where `harbor-train compare` has kept nothing in these metrics."""
    document: Mapping[str, Any] = metrics.get(KEY) or {}
    rows = comparison_rows(document)
    if not rows:
        return None
    changes = document.get("changes", ())
    parts = [
        f"## {HEADING}",
        _SAID,
        table(_HEADINGS, [_row(row) for row in rows]),
        _READ.format(margin=100 * document["margin"], level=100 * document["level"]),
        *(["Since the older checkpoint:", listed(changes)] if changes else []),
    ]
    return "\n\n".join(parts)


def _row(row: Mapping[str, Any]) -> tuple[str, ...]:
    low, high = _points(row["low"]), _points(row["high"])
    return (
        row["task"] if row["primary"] else f"{row['task']} (auxiliary)",
        AGAINST.get(row["kind"], row["kind"]),
        f"{row['score']:.3f}",
        f"{_points(row['difference'])} ({low} to {high})",
        row["verdict"],
        _settled_by(row),
    )


def _settled_by(row: Mapping[str, Any]) -> str:
    """What would settle an inconclusive verdict; empty where it stands."""
    if row["needed"] is not None:
        return f"about {row['needed']:,} test tickets"
    return "more seeds" if row["more_seeds"] else ""


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


_HEADINGS = ("task", "against", "macro-F1", "difference in points", "verdict", "settled by")
_SAID = """\
Compared on the test split, ticket by ticket and over the seeds of either side; macro-F1 is the
mean over this recipe's seeds, this checkpoint's among them."""
_READ = """\
A difference above 0 favours this model; in brackets its {level:g} % interval. A loss of up to
{margin:g} points counts as no loss."""
