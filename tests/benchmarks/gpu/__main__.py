"""A bundle comes in; every figure of the GPU goes out, each beside its bound."""

import json
import sys
from pathlib import Path
from typing import Annotated

import psutil
import typer

from tests.benchmarks import device, table, wrk
from tests.benchmarks.gpu.plan import Plan, plan_for
from tests.benchmarks.gpu.run import measure
from tests.benchmarks.gpu.sheet import Sheet
from tests.benchmarks.http.desk import Desk, read_desk
from tests.benchmarks.opened import Provider
from tests.benchmarks.posting import PYTHON

LIMIT_S = 540.0
TICKETS: dict[Provider, int] = {"cuda": 10_000, "cpu": 500}


def main(
    bundle: Annotated[Path, typer.Option(help="directory of the bundle")],
    provider: Annotated[Provider, typer.Option(help="cuda, or cpu to try the way")] = "cuda",
    data: Annotated[Path | None, typer.Option(help="tickets; the generated desk without")] = None,
    count: Annotated[
        int | None, typer.Option("--tickets", min=64, help="tickets, at most; 10,000 on a GPU")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=2, help="HTTP processes; 8 on a GPU, else 2")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="length of a slot; 5 on a GPU, else 2")
    ] = None,
    limit_s: Annotated[float, typer.Option(help="of the whole; what is left is told")] = LIMIT_S,
    out: Annotated[Path | None, typer.Option("--json", help="also write the figures here")] = None,
) -> None:
    """Proves that a provider is in use, checks it against the CPU, and measures its speed."""
    plan = plan_for(provider, workers, seconds, limit_s)
    desk, before = read_desk(bundle, data, count or TICKETS[provider]), psutil.cpu_times()
    sheet = measure(bundle, desk, plan)
    facts = {
        **described(desk, data, plan),
        "stolen": f"{device.stolen(before, psutil.cpu_times()):.1%}",
        "took": f"{sum(sheet.took_s.values()):.0f} s",
    }
    if out is not None:
        out.write_text(json.dumps(document(facts, sheet), indent=2) + "\n", encoding="utf-8")
    header = ("measure", "value", "bound", "holds")
    rows = [entry.row() for entry in sheet.found]
    table.show(f"Harbor on {provider}", header, rows, facts)
    sys.exit(not all(entry.holds for entry in sheet.found))


def described(desk: Desk, data: Path | None, plan: Plan) -> dict[str, str]:
    """The machine, the tickets, the client."""
    lengths = sorted(desk.lengths)
    source = "the generated desk's" if data is None else data.name
    return {
        **device.facts(),
        "tickets": f"{len(desk)} of {source}",
        "tokens": f"mean {sum(lengths) / len(lengths):.0f}, longest {lengths[-1]}",
        "workers": str(plan.workers),
        "client": wrk.PROGRAM if wrk.is_there() else PYTHON,
    }


def document(facts: dict[str, str], sheet: Sheet) -> dict[str, object]:
    """What the table shows, for a file."""
    figures = [entry.document() for entry in sheet.found]
    return {"facts": facts, "took_s": sheet.took_s, "figures": figures}


if __name__ == "__main__":
    typer.run(main)
