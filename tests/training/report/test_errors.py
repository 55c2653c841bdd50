"""Worst errors: the surest first, and no word that could name a person."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tests.training.desk import write_desk
from tests.training.report.runs import QUEUE, URGENCY, simulated, write
from tests.training.report.test_page import words
from training.config import parse_config
from training.data.dataset import UNLABELLED
from training.data.read import read_table
from training.data.split import write_splits
from training.data.table import Row
from training.prepare import Wanted, note_origin
from training.report.errors import MOST, Errors, Tickets, common_words, errors, redacted
from training.report.finished import Finished, read_finished
from training.report.outcome import outcome
from training.report.page import render

COMMON = frozenset(
    ("dear", "team", "please", "reset", "the", "printer", "in", "room", "of", "smith")
)


def found(run: Finished, tickets: Tickets | None) -> Errors | None:
    one = outcome(QUEUE, run.facts.calibration["queue"], run.predictions, "test")
    assert one is not None
    return errors(one, one.told(), run.predictions["test"], tickets)


def test_the_surest_wrong_tickets_come_first_with_their_own_ids() -> None:
    run = simulated(QUEUE, tickets=300)
    test = run.predictions["test"]
    errors_ = found(run, Tickets(tuple(f"id{at}" for at in range(300)), missing="gone"))
    assert errors_ is not None
    logits_NC, labels_N = test.logits["queue"], test.labels["queue"]
    wrong = (labels_N != UNLABELLED) & (logits_NC.argmax(axis=1) != labels_N)
    assert errors_.count == wrong.sum()
    assert len(errors_.worst) == MOST
    confidences = [one.confidence for one in errors_.worst]
    assert confidences == sorted(confidences, reverse=True)
    for one in errors_.worst:
        at = int(one.id.removeprefix("id"))
        assert wrong[at]
        assert one.given == QUEUE.labels[labels_N[at]]
        assert one.said == QUEUE.labels[logits_NC[at].argmax()]
        assert one.words is None


def test_without_a_list_of_the_test_tickets_nothing_is_guessed() -> None:
    run = simulated(QUEUE, tickets=300)
    assert found(run, None) is None
    assert found(run, Tickets(("only one",))) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Dear team, please", ("dear", "team", "please")),
        ("Dear Xaver Huber please", ("dear", None, "please")),
        ("reset printer4 in room 12", ("reset", None, "in", "room", None)),
        ("the printer.of", ("the", None)),
        ("smith@team of\nthe/team", (None, "of", None)),
        ("www.team team", (None, "team")),
        ("printer-team's", ("printer", "team", None)),
        ("١٢ team", (None, "team")),
        ("", ()),
    ],
)
def test_only_common_words_without_digits_or_addresses_are_shown(
    text: str, shown: tuple[str | None, ...]
) -> None:
    assert redacted(text, COMMON) == shown


def test_no_word_is_shown_that_is_not_common_and_long_texts_are_cut() -> None:
    chance = np.random.default_rng(3)
    letters = list("abcdefgh .@1/\n")
    for _ in range(200):
        text = "".join(chance.choice(letters, 300))
        shown = redacted(text, {"a", "b", "ab", "cd"}, most=20)
        assert set(shown) <= {None, "a", "b", "ab", "cd"}
        assert len(shown) <= 20
        assert not any(one is None and other is None for one, other in pairwise(shown))


def test_a_word_counts_once_a_ticket() -> None:
    rows = [
        Row(str(at), "", "printer printer " + ("mail" if at else "rare"), {}) for at in range(3)
    ]
    assert common_words(rows, 3) == {"printer"}
    assert common_words(rows, 2) == {"printer", "mail"}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A run's directory, `run`, whose test split is the whole of a generated desk beside it."""
    data = write_desk(tmp_path / "desk.csv")
    data.write_text(data.read_text().replace("category", "queue", 1))
    table, _ = read_table(data, [Wanted("queue", None), Wanted("urgency", None)])
    run = simulated(QUEUE, URGENCY, tickets=len(table))
    facts = run.facts.model_copy(update={"data_fingerprint": f"sha256:{table.fingerprint}"})
    config = parse_config({"tasks": {"queue": {}, "urgency": {}}}, "test")
    write(replace(run, facts=facts), tmp_path / "run", config)
    write_splits(tmp_path / "run" / "splits.csv", {row.id: "test" for row in table.rows})
    note_origin(tmp_path / "run", data)
    return tmp_path


def test_texts_come_from_the_file_that_the_run_read(written: Path) -> None:
    run = read_finished(written / "run")
    assert run.tickets is not None
    assert run.tickets.missing == ""
    assert run.tickets.rows is not None
    assert len(run.tickets.rows) == len(run.tickets.ids) == 160
    text = words(render(run))
    assert text.count("Worst errors") == 2
    assert "wrong test tickets that the model was surest of" in text
    assert "charged" not in text.partition("Worst errors")[2].partition("Learning")[0]


def test_a_file_that_changed_or_went_is_said_and_no_text_shown(written: Path) -> None:
    data = written / "desk.csv"
    data.write_text(data.read_text().replace("invoice", "bill"))
    text = words(render(read_finished(written / "run")))
    assert "texts are not shown: their file has changed since the run read it." in text
    data.unlink()
    text = words(render(read_finished(written / "run")))
    assert "texts are not shown: their file is no longer where the run read it." in text
    assert text.count("Worst errors") == 2


def test_a_real_run_shows_its_worst_errors(finished: Path) -> None:
    run = read_finished(finished)
    assert run.tickets is not None
    assert run.tickets.missing == ""
    assert len(run.tickets.ids) == len(run.predictions["test"])
    assert run.config is not None
    assert run.config.startswith("sha256:")
    text = words(render(run))
    assert "Worst errors" in text
    assert "Configuration sha256:" in text
