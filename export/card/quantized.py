"""What whole numbers cost comes in; the card's section on it goes out."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from export.card.left_out import listed
from export.card.markdown import percent, table

if TYPE_CHECKING:
    from export.int8.gates import Cost

HEADING = "In whole numbers"


def quantized(
    costs: "Sequence[Cost]", ranged: int, others: Sequence[str], notes: Sequence[str]
) -> str:
    """The section. ranged: tickets that set the ranges. others: tasks that were not judged.
    notes: what was left out, and why.
    """
    parts = [
        f"## {HEADING}",
        "`model.int8.onnx` is the fp32 graph with the encoder's products of tokens and weights in "
        "8-bit whole\nnumbers (weights of 7 bits); embeddings, attention, heads and scope score "
        f"stay float32. {ranged} tickets\nset its ranges; it was calibrated and judged on the "
        "others, against the fp32 graph on the same tickets:",
        table(_HEADINGS, [_row(cost) for cost in costs]),
        "A loss below 0 is a gain; bounds are one-sided at 95 %. Each ticket's answer is the same "
        "alone and in\ncompany.",
    ]
    if others:
        parts.append(_OTHERS.format(", ".join(others)))
    if notes:
        parts += ["Left out, or left as it was:", listed(notes)]
    return "\n\n".join(parts)


def _row(cost: "Cost") -> tuple[str, ...]:
    return (
        cost.task,
        str(cost.tickets),
        percent(cost.agreement),
        f"{percent(cost.accuracy_loss)} (at most {percent(cost.accuracy_bound)})",
        percent(cost.f1_loss),
        f"{cost.nll:.3f}",
    )


_OTHERS = """\
Not judged, for want of labels: {}. There it keeps the calibration and the figures of fp32, at
least 98 % of the tickets keep their label, and it promises nothing."""

_HEADINGS = (
    "task",
    "labelled tickets",
    "labels kept, of all",
    "accuracy lost",
    "macro-F1 lost",
    "NLL, times fp32's",
)
