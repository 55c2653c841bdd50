"""The card says whether learning together helped, and what was trained beside its tasks."""

from dataclasses import replace

import pytest

from export.card import write_card
from export.card.compared import HEADING, compared
from export.parity import ParityReport
from service.contract.tasks import Task
from training.checkpoint import Checkpoint
from training.compare.comparison import Comparison, Row

ROW = Row(
    task="category",
    primary=True,
    kind="single",
    score=0.812,
    other=0.79,
    difference=0.023,
    low=0.004,
    high=0.041,
    p=0.02,
    verdict="helps",
    no_worse=True,
    needed=None,
    more_seeds=False,
    accuracy_difference=0.01,
    accuracy_low=0.0,
    accuracy_high=0.02,
    tickets=900,
    left_out=0,
    seeds=(3, 3),
)
UNSURE = replace(
    ROW,
    task="urgency",
    primary=False,
    difference=-0.004,
    low=-0.03,
    high=0.022,
    verdict="inconclusive",
    needed=12_400,
)
FOUND = Comparison(0.005, 0.95, ("run-7", "run-8"), (ROW, UNSURE))


def section(found: Comparison) -> str:
    shown = compared({"comparison": found.document()})
    assert shown is not None
    return shown


def card(checkpoint: Checkpoint, **facts: object) -> str:
    known = replace(checkpoint, facts=checkpoint.facts.model_copy(update=facts))
    return write_card(known, "1", ParityReport(), (), ())


def test_each_task_has_its_difference_interval_verdict_and_what_would_settle_it() -> None:
    lines = section(FOUND).splitlines()
    assert "| category | the task alone | 0.812 | +2.3 (+0.4 to +4.1) | helps |  |" in lines
    unsure = "-0.4 (-3.0 to +2.2) | inconclusive | about 12,400 test tickets |"
    assert f"| urgency (auxiliary) | the task alone | 0.812 | {unsure}" in lines
    assert "its 95 % interval" in section(FOUND)
    assert "0.5 points counts as no loss" in section(FOUND)


def test_where_tickets_would_not_settle_it_seeds_have_to() -> None:
    seeds = replace(UNSURE, needed=None, more_seeds=True)
    assert "| inconclusive | more seeds |" in section(replace(FOUND, rows=(seeds,)))


def test_changes_since_an_older_checkpoint_are_listed_and_left_out_where_there_are_none() -> None:
    old = replace(ROW, kind="old")
    changed = section(replace(FOUND, rows=(ROW, old), changes=("task added: queue", "epochs: 3")))
    assert "| category | the older checkpoint |" in changed
    assert changed.endswith("Since the older checkpoint:\n\n- task added: queue\n- epochs: 3")
    assert "Since the older checkpoint" not in section(FOUND)


def test_a_card_has_the_section_only_where_the_checkpoint_keeps_a_comparison(
    checkpoint: Checkpoint,
) -> None:
    plain = card(checkpoint)
    assert HEADING not in plain
    metrics = {**checkpoint.facts.metrics, "comparison": FOUND.document()}
    full = card(checkpoint, metrics=metrics)
    assert full.replace(section(FOUND) + "\n\n", "") == plain
    assert full.index("## How good") < full.index(f"## {HEADING}") < full.index("## How calibrated")


@pytest.mark.parametrize("rows", [(), None])
def test_a_comparison_without_rows_is_none(rows: tuple[Row, ...] | None) -> None:
    kept = {} if rows is None else {"comparison": replace(FOUND, rows=rows).document()}
    assert compared(kept) is None


def test_tasks_that_were_trained_and_not_exported_get_one_line(checkpoint: Checkpoint) -> None:
    beside = (Task(name="type", labels=("a", "b")), Task(name="tone", labels=("a", "b")))
    measured = {"type": {"n": 90.0, "accuracy": 0.9, "macro_f1": 0.875}, "tone": {"n": 0.0}}
    metrics = {**checkpoint.facts.metrics, "unexported": measured}
    line = (
        "Trained beside them and not answered: "
        "type (accuracy 0.900, macro-F1 0.875 on the test split), tone."
    )
    assert line in card(checkpoint, unexported=beside, metrics=metrics).splitlines()
    assert "not answered: type, tone." in card(checkpoint, unexported=beside)
    assert "Trained beside them" not in card(checkpoint)
