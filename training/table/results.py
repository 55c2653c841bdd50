"""Finished runs of every variant come in; one row a variant, with a verdict a task, goes out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from training.at_once import write_at_once
from training.compare.comparison import Row, compare
from training.table.trial import Cost, cost
from training.table.variants import Variant

RESULTS, PAGE = "table.json", "table.md"


@dataclass(frozen=True)
class Line:
    """One variant. missing: runs that are not finished; without any finished, there are no rows."""

    variant: str
    factor: str
    runs: int
    missing: int
    cost: Cost | None
    rows: tuple[Row, ...]


def line(
    variant: Variant,
    runs: Mapping[int, Sequence[Path]],
    wanted: int,
    baselines: Sequence[Path],
    margin: float,
) -> Line:
    """runs: directories by seed, one a fold, of the seeds that are finished. baselines: one
    directory a fold. margin: of macro-F1. Raises TrainingError.
    """
    finished = [run for some in runs.values() for run in some]
    rows = compare(finished, baselines, margin, seeds=runs).rows if finished else ()
    return Line(
        variant.name,
        variant.factor,
        len(finished),
        wanted - len(finished),
        _mean([cost(run) for run in finished]) if finished else None,
        rows,
    )


def write_results(directory: Path, lines: Sequence[Line], about: dict[str, Any]) -> None:
    """`table.json` and `table.md`. about: the data, the recipe, the margin."""
    document = {**about, "lines": [asdict(one) for one in lines]}
    write_at_once(directory / RESULTS, json.dumps(document, indent=2) + "\n")
    write_at_once(directory / PAGE, page(lines))


def page(lines: Sequence[Line]) -> str:
    """A Markdown table: differences in points of macro-F1 against the task alone."""
    tasks = list(dict.fromkeys(row.task for one in lines for row in one.rows))
    heads = ["variant", "runs", *tasks, "parameters", "s a run", "passes"]
    table = [_cells(heads), _cells(["---"] * len(heads))]
    table += [_cells(_line(one, tasks)) for one in lines]
    return "\n".join(table) + "\n"


def _line(one: Line, tasks: Sequence[str]) -> list[str]:
    found = {row.task: row for row in one.rows}
    runs = f"{one.runs} of {one.runs + one.missing}" if one.missing else str(one.runs)
    told = [_row(found[task]) if task in found else "" for task in tasks]
    if one.cost is None:
        return [one.variant, runs, *told, "", "", ""]
    spent = one.cost
    return [
        one.variant,
        runs,
        *told,
        f"{spent.parameters / 1e6:.1f} M",
        f"{spent.seconds:.0f}",
        f"{spent.passes:g}",
    ]


def _row(row: Row) -> str:
    points = f"{100 * row.difference:+.1f} ({100 * row.low:+.1f} to {100 * row.high:+.1f})"
    return f"{100 * row.score:.1f}, {points}: {row.verdict}"


def _mean(costs: Sequence[Cost]) -> Cost:
    first = costs[0]
    return Cost(first.parameters, first.learning, fmean(c.seconds for c in costs), first.passes)


def _cells(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
