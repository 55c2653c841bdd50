"""Commands to a running server: labels by CSV, seats, deletion; a real process answers them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service.cli import app
from service.client import HarborClient
from tests.benchmarks.server import Server, serving
from tests.tiny_bundle import DEFAULT_TASKS, write_bundle

TOKEN = "open sesame"
SUBJECTS = (
    "invoice", "login", "printer", "password reset", "server down", "refund", "mail", "error",
    "please", "charged twice", "the printer error", "server",
)  # fmt: skip


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A server with a challenger in shadow, that has routed some tickets; and its folder."""
    root = tmp_path_factory.mktemp("orders")
    bundle = write_bundle(root / "primary")
    write_bundle(root / "new", version="new-1", seed=5, tasks=DEFAULT_TASKS[:1])
    legacy = {"name": "new", "bundle": "new", "role": "challenger"}
    (root / "shadow.yaml").write_text(json.dumps({"legacies": [legacy]}))
    flags = (
        *("--shadow", str(root / "shadow.yaml")),
        *("--ledger", f"sqlite:///{root}/ledger.db", "--sessions", "1", "--provider", "cpu"),
        *("--admin-token", TOKEN, "--ledger-text", "true"),
    )
    with serving(bundle, *flags) as server, HarborClient(server.url) as client:
        for number, subject in enumerate(SUBJECTS):
            client.route(subject, ticket_id=str(number), wait_for_shadow=True)
        yield server, root


def run(server: Server, *arguments: str, token: str | None = TOKEN) -> Result:
    return CliRunner().invoke(
        app, [*arguments, "--url", server.url], env={"HARBOR_ADMIN_TOKEN": token}
    )


def test_a_nightly_export_is_sent_and_sent_again_changes_nothing(
    desk: tuple[Server, Path], tmp_path: Path
) -> None:
    server, _ = desk
    night = tmp_path / "night.csv"
    night.write_text("id,category,queue\n0,billing,payments\n1,account,\n99,Billing!,\n")
    first = run(server, "feedback", str(night))
    assert (first.exit_code, first.output.strip()) == (
        0, "4 stored, 1 unmatched, 1 unknown label",
    )  # fmt: skip
    again = run(server, "feedback", str(night))
    assert again.output.strip() == "4 duplicate, 1 unmatched, 1 unknown label"


def test_a_row_that_breaks_a_rule_is_named_and_the_others_are_kept(
    desk: tuple[Server, Path], tmp_path: Path
) -> None:
    server, _ = desk
    night = tmp_path / "night.csv"
    night.write_text(f"ticket_id,category\n2,account\n3,{'x' * 65}\n4,billing\n")
    done = run(server, "feedback", str(night))
    assert done.exit_code == 1
    assert "row 3: " in done.stderr
    assert done.stdout.strip() == "2 stored"


def test_the_review_list_goes_out_and_comes_back(desk: tuple[Server, Path], tmp_path: Path) -> None:
    server, root = desk
    ledger, out = f"sqlite:///{root}/ledger.db", tmp_path / "review.csv"
    # What was routed is in the file after the next flush; a report waits for it.
    with HarborClient(server.url) as client:
        client.shadow_report()
    listed = CliRunner().invoke(app, ["shadow", "review", "--ledger", ledger, "--out", str(out)])
    assert listed.exit_code == 0, listed.output
    header, *rows = out.read_text().splitlines()
    assert rows
    filled = [row.replace(",,review", ",technical,review") for row in rows]
    assert filled != rows
    out.write_text("\n".join([header, *filled]) + "\n")
    sent = run(server, "feedback", str(out))
    assert sent.output.strip() == f"{len(rows)} stored"


def test_the_report_is_read_from_the_ledger_alone(
    desk: tuple[Server, Path], tmp_path: Path
) -> None:
    server, root = desk
    with HarborClient(server.url) as client:
        over_http = client.shadow_report(token=TOKEN)
    page, ledger = tmp_path / "report.html", f"sqlite:///{root}/ledger.db"
    command = ["shadow", "report", "--ledger", ledger]
    done = CliRunner().invoke(app, [*command, "--json", "--out", str(page)])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["tasks"] == json.loads(over_http.model_dump_json())["tasks"]
    assert page.read_text().startswith("<!doctype html>")
    short = CliRunner().invoke(app, command)
    assert "category: keep; " in short.output


def test_a_ledger_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    ledger = tmp_path / "none.db"
    done = CliRunner().invoke(app, ["shadow", "report", "--ledger", f"sqlite:///{ledger}"])
    assert (done.exit_code, done.stderr) == (
        1, f"harbor-serve: there is no ledger at sqlite:///{ledger}\n",
    )  # fmt: skip
    assert not ledger.exists()


def test_an_order_without_token_evidence_or_reason_is_refused_in_one_line(
    desk: tuple[Server, Path],
) -> None:
    server, _ = desk
    for token, arguments, code in (
        (None, ["promote"], "unauthorized"),
        (TOKEN, ["promote"], "not_proven"),
        (TOKEN, ["promote", "--force"], "invalid_document"),
        (TOKEN, ["rollback", "other"], "unknown_legacy"),
    ):
        done = run(server, *arguments, token=token)
        assert done.exit_code == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"harbor-serve: {code}: ")


@pytest.mark.slow
def test_seats_change_and_change_back(desk: tuple[Server, Path]) -> None:
    server, _ = desk
    done = run(server, "promote", "--force", "--reason", "a drill", "--by", "ada")
    assert (done.exit_code, "new-1" in done.output, "takes the seat" in done.output) == (
        0, True, True,
    )  # fmt: skip
    back = run(server, "rollback", "--by", "ada")
    assert "test-1" in back.output


def test_a_ticket_is_forgotten(desk: tuple[Server, Path]) -> None:
    server, _ = desk
    done = run(server, "forget", "5", "--everything")
    assert done.output.startswith("1 texts, 1 decisions, 3 predictions, 1 comparisons")


def test_nobody_listening_is_said_in_one_line() -> None:
    done = CliRunner().invoke(app, ["rollback", "--url", "http://127.0.0.1:1"])
    (line,) = done.stderr.splitlines()
    assert line.startswith("harbor-serve: cannot ask http://127.0.0.1:1: ")
