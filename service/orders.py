"""Command lines for a running server come in: final labels, promotions, deletions go out to it."""

import getpass
import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import httpx
import typer

from service.api.schema import FeedbackBatchReply
from service.api.seats import SeatReply
from service.client import HarborClient, Refused
from service.labels_file import LabelledRow, LabelsFileError, read_labels

T = TypeVar("T")

Url = Annotated[str, typer.Option(help="where the service listens")]
Token = Annotated[
    str, typer.Option(envvar="HARBOR_ADMIN_TOKEN", help="the service's admin token", metavar="TEXT")
]
Name = Annotated[
    str | None, typer.Argument(help="the legacy's name; may be left out where only one runs")
]
By = Annotated[str, typer.Option(help="who decides; by default whoever runs this")]
Reason = Annotated[str, typer.Option(help="why, for the record")]

HERE = "http://127.0.0.1:8080"
_CHUNK = 500
_ANSWER_S = 120.0
# The server may need minutes for the evidence, and goes on when nobody waits for it any more.
_PROMOTION_S = 900.0


def promote(
    legacy: Name = None,
    url: Url = HERE,
    by: By = "",
    reason: Reason = "",
    token: Token = "",
    force: Annotated[
        bool, typer.Option("--force", help="whatever the evidence says; needs --reason")
    ] = False,
) -> None:
    """Seats the challenger, if the verdict is to promote."""
    order = {"legacy": legacy, "by": by or _user(), "reason": reason, "force": force}
    _show(_ask(url, lambda client: client.promote(token, **order), _PROMOTION_S))


def rollback(
    legacy: Name = None, url: Url = HERE, by: By = "", reason: Reason = "", token: Token = ""
) -> None:
    """Seats the incumbent again, whatever the verdict."""
    order = {"legacy": legacy, "by": by or _user(), "reason": reason}
    _show(_ask(url, lambda client: client.rollback(token, **order)))


def forget(
    ticket_id: Annotated[str, typer.Argument(help="the ticket's id")],
    url: Url = HERE,
    token: Token = "",
    everything: Annotated[
        bool, typer.Option("--everything", help="not its text alone, but all rows")
    ] = False,
) -> None:
    """Deletes a ticket's text from the ledger."""
    done = _ask(url, lambda client: client.forget(token, ticket_id, everything=everything))
    typer.echo(", ".join(f"{count} {name}" for name, count in done.deleted.items()))


def feedback(
    file: Annotated[Path, typer.Argument(help="CSV of final labels, gzipped or not")],
    url: Url = HERE,
) -> None:
    """Sends a CSV of agents' final labels, such as a desk's nightly export.

    Columns: `ticket_id` or `request_id`; one for each task, or `task` and `label`; optionally
    `labelled_at` and `source`. Sent twice, it changes nothing. Ends with 1 if a row was refused.
    """
    counts: dict[str, int] = {}
    refused = 0
    tasks = [task.name for task in _ask(url, lambda client: client.bundle()).tasks]
    try:
        for chunk in _chunks(read_labels(file, tasks)):
            refused += _count(chunk, _send(url, chunk), counts)
    except LabelsFileError as error:
        _fail(str(error))
    typer.echo(", ".join(f"{count} {name}" for name, count in counts.items()) or "no label")
    if refused:
        raise typer.Exit(1)


def _count(chunk: list[LabelledRow], reply: FeedbackBatchReply, counts: dict[str, int]) -> int:
    """Adds up what became of a chunk's labels; names and counts the rows that were refused."""
    refused = 0
    for row, item in zip(chunk, reply.results, strict=True):
        if item.problem is not None:
            faults = "; ".join(fault.rule for fault in item.problem.problems or [])
            typer.echo(f"row {row.number}: {faults or item.problem.detail}", err=True)
            refused += 1
        if item.reply is not None:
            for name in [one.outcome for one in item.reply.labels.values()]:
                counts[name] = counts.get(name, 0) + 1
            if not item.reply.matched:
                counts["unmatched"] = counts.get("unmatched", 0) + 1
            unknown = [task for task, one in item.reply.labels.items() if not one.known]
            if unknown:
                counts["unknown label"] = counts.get("unknown label", 0) + len(unknown)
    return refused


def _send(url: str, chunk: list[LabelledRow]) -> FeedbackBatchReply:
    return _ask(url, lambda client: client.feedback_batch([row.feedback for row in chunk]))


def _chunks(rows: Iterator[LabelledRow]) -> Iterator[list[LabelledRow]]:
    while chunk := list(islice(rows, _CHUNK)):
        yield chunk


def _ask(url: str, question: Callable[[HarborClient], T], timeout_s: float = _ANSWER_S) -> T:
    try:
        with HarborClient(url, timeout_s=timeout_s) as client:
            return question(client)
    except Refused as refusal:
        _fail(f"{refusal.code}: {refusal.problem.detail}")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        _fail(f"cannot ask {url}: {error}")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # A container's user may have a number and no name.
        return f"uid {os.getuid()}"


def _show(done: SeatReply) -> None:
    moved = "takes the seat" if done.swapped else "keeps the seat"
    typer.echo(f"{done.bundle.version} ({done.bundle.digest}) {moved}")
    if not done.recorded:
        typer.echo(
            "the ledger is not available: a restart before it is back will not know of this",
            err=True,
        )


def _fail(message: str) -> NoReturn:
    typer.echo(f"harbor-serve: {message}", err=True)
    raise typer.Exit(1)
