"""A bundle comes in; Harbor against LitServe, BentoML, MLServer and Ray Serve, in one run, goes
out.

    python -m tests.benchmarks.peers --bundle runs/quickstart/bundle --out runs/peers/quickstart

Resumable: what the journal under --out holds is not measured again, and finished environments are
used again; remove the journal to measure another Harbor. Each figure stands beside its bound; exits
1 where one does not hold.
"""

import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import psutil
import typer

from service.contract.bundle import read_manifest
from tests.benchmarks import table
from tests.benchmarks.contender import Precision, Setup
from tests.benchmarks.http.__main__ import NUMBERS, described
from tests.benchmarks.http.contenders import Harbor
from tests.benchmarks.http.desk import Desk, read_desk
from tests.benchmarks.http.plan import Plan
from tests.benchmarks.http.race import Entry, race
from tests.benchmarks.http.results import Results, Side
from tests.benchmarks.peers.agreement import CLIENTS, TICKETS, Answer, Checked, ask
from tests.benchmarks.peers.figures import CROWDS, figures
from tests.benchmarks.peers.peer import PEERS, Peer
from tests.benchmarks.peers.plot import draw
from tests.benchmarks.peers.report import HEADER, document, lines


def main(
    bundle: Annotated[Path, typer.Option(help="directory of the bundle")],
    out: Annotated[Path, typer.Option(help="directory of the journal and the report")],
    data: Annotated[Path | None, typer.Option(help="tickets; the generated desk without")] = None,
    precision: Annotated[Precision, typer.Option(help="which graph of the bundle")] = "fp32",
    only: Annotated[list[str] | None, typer.Option(help="these peers alone, by key")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="times that everything is measured")] = 4,
    seconds: Annotated[float, typer.Option(min=0.5, help="length of each slot")] = 6.0,
    count: Annotated[int, typer.Option("--tickets", min=64, help="tickets, at most")] = 2000,
) -> None:
    """Other model servers on the same graph, the same tokeniser and the same tickets."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # So that no server outlives this.
    peers = chosen(only)
    for peer in peers:
        print(f"{peer.name}: {peer.environment.directory}", flush=True)
        peer.environment.make()
    out.mkdir(parents=True, exist_ok=True)
    desk, setup = read_desk(bundle, data, count), Setup(bundle, precision)
    before = psutil.cpu_times()
    ran = entries(desk, setup, peers)
    plan = Plan(rounds, seconds, CROWDS, open_loop=(), flood=False)
    # Slots of another length, or of other tickets, are other measurements.
    journal = out / f"journal-{count}-tickets-{seconds:g}-s.jsonl"
    results = Results(race(ran, desk, plan, journal), desk)
    facts = described(desk, setup, results, before)
    sys.exit(not tell(results, [_side(entry) for entry in ran], facts, out))


def chosen(only: Sequence[str] | None) -> list[Peer]:
    """The peers of these keys, or all. Raises BadParameter for a key that is none of theirs."""
    keys = [peer.key for peer in PEERS]
    if unknown := set(only or ()) - set(keys):
        raise typer.BadParameter(f"--only must be of {', '.join(keys)}, found {sorted(unknown)}")
    return [peer for peer in PEERS if not only or peer.key in only]


def entries(desk: Desk, setup: Setup, peers: Sequence[Peer]) -> list[Entry]:
    """Harbor, its int8 graph where the bundle has one beside fp32, and each peer on and off."""
    variants = {one.precision: one for one in read_manifest(setup.bundle).variants}
    if setup.precision not in variants:
        raise typer.BadParameter(f"the bundle has no {setup.precision} variant")
    bodies = desk.bodies[:TICKETS]
    clients = 1 if variants[setup.precision].alone else CLIENTS
    expected = _expected(setup, bodies)
    found = [Entry(Harbor(), setup)]
    if setup.precision == "fp32" and "int8" in variants:
        found.append(Entry(Harbor(), replace(setup, precision="int8")))
    for peer in peers:
        checked = Checked(peer, bodies, expected, clients)
        found += [Entry(checked, replace(setup, batching=batching)) for batching in (True, False)]
    return found


def tell(results: Results, sides: Sequence[Side], facts: dict[str, str], out: Path) -> bool:
    """Prints and writes everything; whether every figure holds. sides: the first is Harbor's."""
    harbor, *others = sides
    peers = [side for side in others if side.contender != harbor.contender]
    int8 = next((side for side in others if side.contender == harbor.contender), None)
    found, servers = figures(results, harbor, peers, int8), lines(results, harbor, peers)
    table.show("Servers over HTTP", HEADER, [line.row() for line in servers], facts)
    judged = [figure.row() for figure in found]
    table.show("Harbor over its peers", NUMBERS, judged, {"value": "median (lowest to highest)"})
    text = json.dumps(document(facts, found, servers), indent=2)
    report = out / f"peers-{harbor.setup.precision}.json"
    report.write_text(text + "\n", encoding="utf-8")
    print(report, draw(servers, report.with_suffix(".png")))
    return all(figure.holds for figure in found)


def _expected(setup: Setup, bodies: Sequence[bytes]) -> list[Answer]:
    with Harbor().serving(setup) as server:
        found = ask(server.url, bodies, clients=1)
    if None in found:
        raise SystemExit(f"Harbor left {found.count(None)} of {len(found)} tickets unanswered")
    return [answer for answer in found if answer is not None]


def _side(entry: Entry) -> Side:
    return Side(entry.contender.name, entry.setup)


if __name__ == "__main__":
    typer.run(main)
