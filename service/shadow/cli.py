"""Command lines about the shadow's record come in; a report, a review list or a replay goes out.

What reads the record is imported by the command that needs it: scipy alone takes a second, and
`harbor-serve run` starts through this file too.
"""

from io import StringIO
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from service.errors import ServiceError
from service.ledger.faults import RecordRefusedError
from service.ledger.store import Store
from service.settings import Settings
from service.shadow.findings.document import Report

app = typer.Typer(name="shadow", no_args_is_help=True, rich_markup_mode="markdown")

DEFAULT_LEDGER = str(Settings.model_fields["ledger"].default)

Ledger = Annotated[
    str, typer.Option(envvar="HARBOR_LEDGER", help="URL of the ledger's database", metavar="URL")
]
Name = Annotated[str | None, typer.Option(help="whose; by default the one compared last")]


@app.callback()
def main() -> None:
    """What ran beside the bundle that answers, and what it showed."""


@app.command()
def report(
    ledger: Ledger = DEFAULT_LEDGER,
    legacy: Name = None,
    json: Annotated[bool, typer.Option("--json", help="prints everything as JSON")] = False,
    out: Annotated[Path | None, typer.Option(help="writes the page as HTML to this file")] = None,
) -> None:
    """The verdict on a legacy's pair, with everything it rests on."""
    from service.shadow.page import render
    from service.shadow.report import read_report

    try:
        with _existing(ledger) as store:
            found = read_report(store, legacy)
    except ServiceError as error:
        _fail(error)
    if out is not None:
        _write(out, render(found))
    typer.echo(found.model_dump_json(indent=2) if json else _in_short(found))


@app.command()
def review(
    out: Annotated[Path, typer.Option(help="the CSV file to write")],
    ledger: Ledger = DEFAULT_LEDGER,
    legacy: Name = None,
    n: Annotated[int, typer.Option(min=1, help="disagreements, at most")] = 100,
    seed: Annotated[int, typer.Option(help="of the random part of the choice")] = 0,
) -> None:
    """Writes disagreements worth an agent's minute; fill in `label` and send them as feedback."""
    from service.shadow.review_file import write_csv
    from service.shadow.review_queue import read_review

    try:
        with _existing(ledger) as store:
            chosen = read_review(store, legacy, n, seed=seed)
    except ServiceError as error:
        _fail(error)
    table = StringIO(newline="")
    written = write_csv(chosen, table)
    _write(out, table.getvalue())
    typer.echo(f"{written} disagreements to {out}; then: harbor-serve feedback {out}")


@app.command()
def replay(
    bundle: Annotated[Path, typer.Option(help="the bundle that stands for the primary")],
    tickets: Annotated[Path, typer.Option(help="CSV of past tickets")],
    decisions: Annotated[Path, typer.Option(help="CSV of what the desk decided, by ticket id")],
    ledger: Ledger = DEFAULT_LEDGER,
    name: Annotated[str, typer.Option(help="what to call the desk's rules")] = "rules",
    role: Annotated[str, typer.Option(help="incumbent or challenger")] = "incumbent",
    labels: Annotated[
        bool, typer.Option(help="whether the tickets' task columns are final labels")
    ] = True,
    translation: Annotated[
        Path | None, typer.Option(help="YAML: by task, the desk's words to the bundle's")
    ] = None,
) -> None:
    """Runs past tickets through a bundle, beside what the desk decided on them."""
    from service.shadow.replay import Replay, render
    from service.shadow.replay import replay as run

    if role not in ("incumbent", "challenger"):
        _fail(ValueError("role must be incumbent or challenger"))
    side: Literal["incumbent", "challenger"] = role  # type: ignore[assignment]
    job = Replay(tickets, decisions, name, side, labels, translation)
    try:
        # HARBOR_POLICY is a server's, for its own bundle.
        render(run(Settings(bundle=bundle, ledger=ledger, policy=None), job))
    except (ServiceError, RecordRefusedError) as error:
        _fail(error)


def _write(out: Path, text: str) -> None:
    try:
        out.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        _fail(ValueError(f"{out} cannot be written: {error.strerror}"))


def _existing(url: str) -> Store:
    """A ledger that is read is there already: a typing error must not make an empty one."""
    path = url.removeprefix("sqlite:///")
    if path != url and not Path(path).exists():
        _fail(ValueError(f"there is no ledger at {url}"))
    return Store(url)


def _in_short(found: Report) -> str:
    from service.shadow.page import headline

    lines = [headline(found), *found.overall.reasons]
    for task in found.tasks:
        rate = task.disagreement
        share = "nothing compared"
        if rate.rate is not None:
            share = f"{rate.rate:.1%} of {rate.n:,} differ ({rate.low:.1%} to {rate.high:.1%})"
        lines.append(f"{task.task}: {task.judgement.verdict}; {share}; {task.labels:,} labels")
        lines += [f"  {reason}" for reason in task.judgement.reasons]
    return "\n".join(lines)


def _fail(error: Exception) -> NoReturn:
    typer.echo(f"harbor-serve: {error}", err=True)
    raise typer.Exit(1)
