"""A bundle comes in; Harbor and a plain server over HTTP against the raw graph, in one run, go out.

Each figure stands beside its bound; exits 1 where one does not hold. Rates are compared within a
round, and rounds with one another: `value (lowest round to highest)`.
"""

import json
import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import psutil
import typer

from tests.benchmarks import device, table
from tests.benchmarks.bounds import Figure
from tests.benchmarks.contender import Precision, Setup
from tests.benchmarks.http import offline, report
from tests.benchmarks.http.contenders import Harbor, Plain
from tests.benchmarks.http.desk import Desk, read_desk
from tests.benchmarks.http.figures import figures
from tests.benchmarks.http.plan import Plan
from tests.benchmarks.http.plots import draw
from tests.benchmarks.http.race import Entry, race
from tests.benchmarks.http.results import Results, Side

NUMBERS = ("measure", "value", "bound", "holds")


def main(
    bundle: Annotated[Path, typer.Option(help="directory of the bundle")],
    data: Annotated[Path | None, typer.Option(help="tickets; the generated desk without")] = None,
    precision: Annotated[Precision, typer.Option(help="which graph of the bundle")] = "fp32",
    rounds: Annotated[int, typer.Option(min=1, help="times that everything is measured")] = 4,
    seconds: Annotated[float, typer.Option(min=0.5, help="length of each slot")] = 5.0,
    count: Annotated[int, typer.Option("--tickets", min=64, help="tickets, at most")] = 2000,
    out: Annotated[Path | None, typer.Option("--json", help="also write the figures here")] = None,
    plots: Annotated[Path | None, typer.Option(help="directory for the pictures")] = None,
    journal: Annotated[Path | None, typer.Option(help="a rerun goes on from this file")] = None,
    refusal_us: Annotated[
        float | None, typer.Option(help="CPU of a refusal as added_cpu measures it")
    ] = None,
) -> None:
    """Throughput, latency and overload over HTTP, as ratios to the raw graph."""
    plan, desk = Plan(rounds, seconds), read_desk(bundle, data, count)
    harbor = Entry(Harbor(), Setup(bundle, precision))
    plain = Entry(Plain(), Setup(bundle, precision, batching=False))
    before = psutil.cpu_times()
    results = Results(race([harbor, plain], desk, plan, journal), desk)
    facts = described(desk, harbor.setup, results, before)
    one, other = (Side(entry.contender.name, entry.setup) for entry in (harbor, plain))
    found = figures(results, one, other, refusal_us)
    show(facts, results, found)
    if out is not None:
        document = report.document(facts, asdict(plan), results, found)
        out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    for path in draw(results, report.records(results), plots) if plots else ():
        print(path)
    sys.exit(not all(figure.holds for figure in found))


def described(desk: Desk, setup: Setup, results: Results, before: object) -> dict[str, str]:
    """The machine, the tickets and what raw means in this run. before: `psutil.cpu_times()`."""
    best = results.best_raw(setup)[0].slot.level
    arrangement = offline.arrangements(setup)[int(best)]
    lengths = sorted(desk.lengths)
    own_ms = results.yardstick(setup).own_ms
    return {
        **device.facts(),
        "tickets": str(len(desk)),
        "tokens": f"mean {math.fsum(lengths) / len(lengths):.0f}, longest {lengths[-1]}",
        "raw": f"{arrangement} (sorted by length, tokenising included)",
        "alone": f"{own_ms.min():.1f} to {own_ms.max():.1f} ms",
        "stolen": f"{device.stolen(before, psutil.cpu_times()):.1%}",
    }


def show(facts: dict[str, str], results: Results, found: list[Figure]) -> None:
    """Both tables, on the terminal and as Markdown."""
    rows = [report.row(record) for record in report.records(results)]
    table.show("Servers over HTTP, all rounds", report.HEADER, rows, facts)
    judged = [figure.row() for figure in found]
    table.show("Harbor's figures", NUMBERS, judged, {"value": "median (lowest to highest round)"})


if __name__ == "__main__":
    typer.run(main)
