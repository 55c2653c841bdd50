"""Files that a replay cannot use are refused by name, and bad rows by number."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from service.cli import app
from service.errors import LedgerRefused, ShadowRefused
from service.settings import Settings
from service.shadow.replay import Replay, replay
from service.shadow.replay.rows import Faults, open_rows
from tests.service.shadow.replay.past import past_rules, write

runner = CliRunner()
CELL = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)


def test_bad_rows_are_left_out_counted_and_named_by_number(
    settings: Settings, tmp_path: Path
) -> None:
    tickets = tmp_path / "tickets.csv"
    tickets.write_bytes(
        b"id,subject,body,category,created_at\n"
        b"1,Hello,invoice,billing,\n"
        b",Hello,invoice,billing,\n"
        b"1,Hello,again,billing,\n"
        b"4,, ,billing,\n"
        b"5,Hello,too few\n"
        b"6,Hello,invoice,billing,yesterday\n"
        b"7,Hello,caf\xe9,billing,\n"
        b'8,He"llo,"a "stray" quote",billing,\n'
        b"9,Hello,invoice,%b,\n"
        b"\n"
        b"10,Hello,invoice,billing,2026-01-01\n" % (b"x" * 65)
    )
    rules = past_rules(tmp_path, [("1", "billing"), ("1", "account"), ("", "account")])
    summary = replay(settings, Replay(tickets, rules))
    assert summary.tickets == 2
    assert summary.faults.counts == {"tickets.csv": 8, "rules.csv": 2}
    named = [line.split(":")[0] for line in summary.faults.named]
    assert named[:2] == ["rules.csv row 2", "rules.csv row 3"]
    assert named[2:] == [f"tickets.csv row {number}" for number in range(2, 10)]
    assert "caf" not in "".join(summary.faults.named)


def test_the_command_knows_nothing_of_a_servers_policy(
    settings: Settings, tickets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARBOR_POLICY", str(tmp_path / "of-another-bundle.yaml"))
    rules = past_rules(tmp_path, [("0", "billing")])
    files = ("--bundle", settings.bundle, "--tickets", tickets, "--decisions", rules)
    arguments = ("shadow", "replay", *map(str, files), "--ledger", settings.ledger)
    told = runner.invoke(app, arguments)
    assert told.exit_code == 0, told.output
    assert "300" in told.output


def test_a_compressed_file_is_read_like_a_plain_one(
    settings: Settings, tickets: Path, tmp_path: Path
) -> None:
    packed = tmp_path / "tickets.csv.gz"
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + tickets.read_bytes()))
    summary = replay(settings, Replay(packed, past_rules(tmp_path, [("0", "billing")])))
    assert summary.tickets == 300
    packed.write_bytes(packed.read_bytes()[:-200])
    with pytest.raises(ShadowRefused, match=r"tickets\.csv\.gz cannot be read"):
        replay(settings, Replay(packed, tmp_path / "rules.csv"))


@pytest.mark.parametrize(
    ("header", "rule"),
    [
        ("", "needs ticket_id or id"),
        ("id;category\n", "needs ticket_id or id"),
        ("id,category,category\n", "stands twice"),
        ("id,categry\n", "has none of category, urgency, queue"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_its_name(
    settings: Settings, tickets: Path, tmp_path: Path, header: str, rule: str
) -> None:
    rules = tmp_path / "rules.csv"
    rules.write_text(header, encoding="utf-8")
    with pytest.raises(ShadowRefused, match=f"rules.csv.*{rule}"):
        replay(settings, Replay(tickets, rules))


def test_missing_files_columns_and_ledgers_are_refused(
    settings: Settings, tickets: Path, tmp_path: Path
) -> None:
    rules = past_rules(tmp_path, [("0", "billing")])
    with pytest.raises(ShadowRefused, match=r"absent\.csv cannot be read"):
        replay(settings, Replay(tmp_path / "absent.csv", rules))
    with pytest.raises(ShadowRefused, match="needs subject or body"):
        replay(settings, Replay(rules, rules))
    fields = settings.model_copy(update={"ledger_metadata": "region"})
    with pytest.raises(ShadowRefused, match="no column region"):
        replay(fields, Replay(tickets, rules))
    with pytest.raises(LedgerRefused):
        replay(settings.model_copy(update={"ledger": "off"}), Replay(tickets, rules))
    with pytest.raises(ShadowRefused, match="name must match"):
        replay(settings, Replay(tickets, rules, name="My rules"))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("category: {Rechnung: invoices}", "no label 'invoices'"),
        ("mood: {gut: good}", "no task mood"),
        ("category: 3", "category"),
        ("category: [", "not YAML"),
    ],
)
def test_a_translation_that_leads_nowhere_is_refused(
    settings: Settings, tickets: Path, tmp_path: Path, text: str, rule: str
) -> None:
    words = tmp_path / "words.yaml"
    words.write_text(text, encoding="utf-8")
    rules = past_rules(tmp_path, [("0", "billing")])
    with pytest.raises(ShadowRefused, match=f"words.yaml.*{rule}"):
        replay(settings, Replay(tickets, rules, translation=words))


def test_another_translation_or_role_under_the_same_name_is_refused(
    settings: Settings, tickets: Path, tmp_path: Path
) -> None:
    rules = past_rules(tmp_path, [("0", "Rechnung")])
    replay(settings, Replay(tickets, rules))
    words = tmp_path / "words.yaml"
    words.write_text("category: {Rechnung: billing}", encoding="utf-8")
    with pytest.raises(ShadowRefused, match="another name"):
        replay(settings, Replay(tickets, rules, translation=words))
    with pytest.raises(ShadowRefused, match="another name"):
        replay(settings, Replay(tickets, rules, role="challenger"))
    other = replay(settings, Replay(tickets, rules, name="rules-2", translation=words))
    assert other.tasks["category"].account.compared == 1


@given(cells=st.lists(st.lists(CELL, min_size=2, max_size=2), max_size=10))
def test_whatever_a_cell_holds_is_read_back(
    cells: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    write(path, ("id", "body"), cells)
    faults = Faults()
    with open_rows(path, faults) as rows:
        assert [list(row.values()) for row in rows] == cells
    assert not faults.counts
