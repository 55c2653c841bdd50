"""Which policy does best: `python -m tests.benchmarks.simulator --data tickets.csv.gz`."""

from pathlib import Path
from typing import Annotated

import typer

from tests.benchmarks.simulator.lengths import Lengths, drawn, real
from tests.benchmarks.simulator.machine import MACHINES, Machine
from tests.benchmarks.simulator.scenarios import POLICIES, Bench, one_by_one_per_s
from tests.benchmarks.table import show

HEADER = (
    "policy",
    "tickets/s",
    "p99 / bound, 32",
    "p99 / bound, 128",
    "slowdown p99, 30 %",
    "slowdown p99, 70 %",
    "short p99 in a flood / bound",
    "padding efficiency",
    "longest wait s",
)

app = typer.Typer(add_completion=False)


@app.command()
def main(
    machine: Annotated[str, typer.Option(help="One of: " + ", ".join(MACHINES))] = "cpu",
    data: Annotated[Path | None, typer.Option(help="A .csv.gz of subject and body.")] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="Its tokenizer counts tokens; none: drawn lengths.")
    ] = None,
    count: Annotated[int, typer.Option(help="Tickets a scenario.")] = 2000,
) -> None:
    """Every policy in every scenario, in simulated time.

    The bounds are those that README promises: in a closed loop 1.4 x clients / throughput + the
    longest ticket's time; in a flood the p99 of short tickets alone + the longest ticket's time.
    Shares of the load are of one ticket a call on every core.
    """
    if data is not None and bundle is None:
        raise typer.BadParameter("--data needs the tokenizer of a --bundle")
    lengths = drawn(count) if bundle is None else real(data, bundle, count)
    device = MACHINES[machine]
    facts = {"tickets": str(count), "mean tokens": f"{sum(lengths) / count:.1f}"}
    rows = [row(name, device, lengths) for name in POLICIES]
    show(f"Policies on the {machine} model", HEADER, rows, facts)


def row(policy: str, machine: Machine, lengths: Lengths) -> tuple[str, ...]:
    """The figures of one policy."""
    bench = Bench(POLICIES[policy], machine, lengths)
    base = one_by_one_per_s(machine, lengths)
    loops = {clients: bench.closed(clients) for clients in (32, 128)}
    tails = [
        loop.latency_s(99) / (1.4 * clients / loop.per_s + loop.longest_raw_s)
        for clients, loop in loops.items()
    ]
    alone, flooded = bench.flood(flooded=False), bench.flood(flooded=True)
    bound_s = alone.latency_s(99) + flooded.longest_raw_s
    figures = [
        *tails,
        *(bench.open(base * share).slowdown(99) for share in (0.3, 0.7)),
        flooded.latency_s(99, "few") / bound_s,
        loops[128].padding_efficiency,
        loops[128].longest_wait_s,
    ]
    return (policy, f"{loops[128].per_s:.1f}", *(f"{figure:.2f}" for figure in figures))


if __name__ == "__main__":
    app()
