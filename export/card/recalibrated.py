"""What a recalibration changed comes in; the card's section on it goes out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from export.card.left_out import listed
from export.card.markdown import number, table
from export.traffic import Shift

HEADING = "Recalibrated"


@dataclass(frozen=True)
class Change:
    """Of one task of one variant, on the labelled tickets. method: the calibration chosen.

    before: `nll` and `ece_debiased` of the earlier calibration. after: the measures of the new one,
    cross-fitted: each ticket by a calibration that was fitted without it.
    """

    file: str
    task: str
    method: str
    before: Mapping[str, float]
    after: Mapping[str, float]

    @property
    def better(self) -> bool:
        """Whether the new calibration fits tickets that it has not seen better than the old."""
        return self.after["nll"] <= self.before["nll"]


def recalibrated(
    origin: str,
    file: str,
    changes: Sequence[Change],
    shifts: Sequence[Shift],
    others: Sequence[str],
    notes: Sequence[str],
) -> str:
    """The section. origin: digest of the bundle it was made from. file: digest of the labelled
    tickets. others: tasks that were left as they were. notes: what else was left, and why.
    """
    kept = f"Not touched: {', '.join(others)}." if others else ""
    parts = [
        f"## {HEADING}",
        f"From the bundle `{origin}`\non the labelled tickets `{file}`.\n"
        "The network is the same; scale, bias and thresholds are new. Figures of other sections, "
        f'"Automation" apart,\nare those of the earlier calibration. {kept}'.rstrip(),
        _changes(changes),
        'Measured on the labelled tickets: "before" with the earlier calibration, "after" with '
        "ones fitted\nwithout the ticket that is measured.",
    ]
    if notes:
        parts += ["Left out, or left as it was:", listed(notes)]
    if shifts:
        parts += [_SHIFTED, table(("task", "label", "labelled", "today"), _shifts(shifts))]
    return "\n\n".join(parts)


def _changes(changes: Sequence[Change]) -> str:
    rows = [
        (
            one.file,
            one.task,
            f"{one.after['n']:.0f}",
            one.method,
            number(one.after, "accuracy"),
            *(number(side, "nll") for side in (one.before, one.after)),
            *(number(side, "ece_debiased") for side in (one.before, one.after)),
        )
        for one in changes
    ]
    headings = ("graph", "task", "tickets", "method", "accuracy", "NLL before", "NLL after")
    return table((*headings, "ECE, debiased, before", "after"), rows)


def _shifts(shifts: Sequence[Shift]) -> list[tuple[str, str, str, str]]:
    return [
        (shift.task, label, f"{before:.3f}", f"{today:.3f}")
        for shift in shifts
        for label, (before, today) in shift.shares.items()
    ]


_SHIFTED = """\
The label shares of today's tickets were estimated from recent ones without labels (Saerens et al.
2002), and the labelled ones thinned to them, as near as one ticket in a hundred: the figures hold
for those shares. A promise takes the estimated shares as exact: that they may be wrong is no part
of its level."""
