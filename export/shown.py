"""What a command has made or checked comes in; the lines and tables that say so go out."""

from collections.abc import Iterable, Iterator

from rich.markup import escape
from rich.table import Table

from export.card.promises import described
from export.closeness import Closeness
from export.int8.quantize import Quantized
from export.parity import ParityReport
from export.recalibrate import Recalibrated
from export.verify import Check

_COLOURS = {"passed": "green", "failed": "red", "skipped": "yellow"}


def parity(report: ParityReport) -> str:
    """One line on how close the graph is to the checkpoint."""
    differences = ", ".join(f"{name} {value:.1e}" for name, value in report.max_dp.items())
    scope = "" if report.max_scope is None else f", of a scope score: {report.max_scope:.1e} of it"
    return (
        f"parity: {report.texts} texts of {report.shortest} to {report.longest} tokens; "
        f"largest difference of a probability: {differences}{scope}; label flips: 0"
    )


def closeness(found: Closeness) -> str:
    """One line on how close a further graph is to the fp32 graph."""
    differences = ", ".join(f"{name} {value:.1e}" for name, value in found.max_dp.items())
    flips = ", ".join(f"{name} {count}" for name, count in found.flips.items())
    scope = "" if found.max_scope is None else f", of a scope score: {found.max_scope:.1e} of it"
    return (
        f"{found.file}: {found.texts} texts; largest difference of a probability from the fp32 "
        f"graph's: {differences}{scope}; label flips: {flips}"
    )


def checks(done: Iterable[Check], name: str) -> Table:
    """A row a check."""
    table = Table(title=escape(f"Bundle {name}"))
    for heading in ("check", "compared", "result", "found"):
        table.add_column(heading, overflow="fold")
    for check in done:
        result = f"[{_COLOURS[check.status]}]{check.status}[/]"
        table.add_row(check.name, check.compared, result, escape(check.found))
    return table


def recalibrated(made: Recalibrated) -> Iterator[str]:
    """The shares of today's tickets, what became of the confidences, and the promises."""
    for shift in made.shifts:
        for label, (before, today) in shift.shares.items():
            yield f"task {shift.task}: {label} {before:.3f} of the labelled, {today:.3f} today"
        yield f"task {shift.task}: {shift.kept} of {shift.labelled} labelled tickets kept"
    for one in made.changes:
        yield (
            f"{one.file}, {one.task}: {one.method} on {one.after['n']:.0f} tickets; NLL "
            f"{one.before['nll']:.4f} before, {one.after['nll']:.4f} after; debiased ECE "
            f"{one.before['ece_debiased']:.4f} before, {one.after['ece_debiased']:.4f} after"
        )
        if not one.better:
            yield f"warning: the earlier calibration fits these tickets of {one.task} better"
    for variant in made.variants:
        for task in made.tasks:
            said = described(task, variant.thresholds.get(task.name))
            yield f"{variant.file}: {said.replace('**', '')}"


def quantized(made: Quantized) -> Iterator[str]:
    """What whole numbers cost each task."""
    for cost in made.costs:
        yield (
            f"{made.variant.file}, {cost.task}: {cost.agreement:.2%} of the tickets keep their "
            f"label; accuracy lost on {cost.tickets} labelled ones {cost.accuracy_loss:.2%} (at "
            f"most {cost.accuracy_bound:.2%}), macro-F1 {cost.f1_loss:.2%}; NLL {cost.nll:.3f} "
            "times that of fp32"
        )
