"""What lies beside a run: a comparison, an audit, fingerprints."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.training.report.runs import QUEUE, URGENCY, usual, usual_page, write
from tests.training.report.test_page import words
from training.errors import TrainingError
from training.report.comparison import compared
from training.report.fingerprints import fingerprints
from training.report.finished import Finished, read_finished
from training.report.leakage import leakage
from training.report.page import render


def row(task: str, verdict: str, difference: float, **more: Any) -> dict[str, Any]:
    return {
        "task": task,
        "kind": "single",
        "difference": difference,
        "low": difference - 0.013,
        "high": difference + 0.013,
        "verdict": verdict,
        "needed": None,
        "more_seeds": False,
        **more,
    }


ROWS = [
    row("queue", "helps", 0.021),
    row("urgency", "hurts", -0.04),
    row("product", "inconclusive", 0.0, needed=5400),
    row("language", "inconclusive", 0.0, more_seeds=True),
    row("queue", "neutral", 0.001, kind="old"),
]


def bare() -> Finished:
    """The usual run without its plots, which take the time."""
    return replace(usual(), predictions={}, events=())


def with_comparison(rows: list[dict[str, Any]]) -> Finished:
    document = {"margin": 0.02, "rows": rows, "changes": ["the task <b>product</b> is new"]}
    metrics = {**usual().facts.metrics, "comparison": document}
    return replace(usual(), facts=usual().facts.model_copy(update={"metrics": metrics}))


def test_what_hurts_is_said_first_and_what_would_settle_the_rest() -> None:
    found = compared(with_comparison(ROWS).facts.metrics)
    assert found is not None
    assert found.said == (
        "Learning together hurts urgency. Learning together helps queue. The test split cannot "
        "tell for product and language. Against the older checkpoint: neutral queue."
    )
    assert [one.tone for one in found.rows] == ["good", "bad", "open", "open", "open"]
    assert [one.settles for one in found.rows][2:4] == ["about 5,400 test tickets", "more seeds"]


def test_the_comparison_stands_before_the_tasks_and_is_escaped() -> None:
    page = render(with_comparison(ROWS))
    text = words(page)
    assert text.index("Is it worth learning together?") < text.index("Reliability")
    assert "queue its own model +2.1 +0.8 to +3.4 helps" in text
    assert "urgency its own model −4.0 −5.3 to −2.7 hurts" in text
    assert "a loss of 2.0 points does not matter" in text
    assert "the task &lt;b&gt;product&lt;/b&gt; is new" in page


def test_a_run_that_was_not_compared_has_no_such_section() -> None:
    assert compared(usual().facts.metrics) is None
    assert compared({"comparison": {"rows": []}}) is None
    assert "worth learning together" not in words(usual_page())


AUDIT = {
    "fingerprint": "a" * 64,
    "findings": [
        {
            "check": "label from label",
            "about": "queue",
            "severity": "fail",
            "figure": 0.99,
            "said": "queue is told from urgency",
            "remedy": "Drop one.",
        },
        {"check": "order", "severity": "warn", "figure": 0.2, "said": "Labels end early."},
        {"check": "words", "severity": "pass", "figure": 0.0, "said": "no", "remedy": ""},
    ],
}


def test_an_audit_s_findings_are_shown_worst_first_and_those_that_passed_are_counted() -> None:
    text = words(render(replace(bare(), audit=AUDIT)))
    assert "fail label from label, queue. queue is told from urgency. Drop one." in text
    assert "warn order. Labels end early." in text
    assert "1 check found nothing." in text
    assert "of other tickets" not in text


def test_an_audit_of_other_tickets_is_said_to_be_one() -> None:
    other = {**AUDIT, "fingerprint": "sha256:" + "e" * 64}
    assert "The audit was of other tickets than the run's." in words(
        render(replace(bare(), audit=other))
    )
    found = leakage({"findings": []}, "sha256:" + "a" * 64)
    assert found is not None
    assert not found.other


def test_a_run_without_an_audit_says_how_to_make_one() -> None:
    assert "This run was not audited: harbor-train audit" in words(usual_page())


def test_an_audit_is_read_from_the_run_and_a_broken_one_is_refused(tmp_path: Path) -> None:
    write(usual(), tmp_path)
    assert read_finished(tmp_path).audit is None
    (tmp_path / "audit.json").write_text(json.dumps(AUDIT))
    assert read_finished(tmp_path).audit == AUDIT
    (tmp_path / "audit.json").write_text("[1]")
    with pytest.raises(TrainingError, match=r"audit\.json is no file of findings"):
        read_finished(tmp_path)


def test_every_digest_is_on_the_page_and_an_older_run_has_no_configuration() -> None:
    run = usual()
    found = fingerprints(run.digest, run.facts, "sha256:" + "c" * 64)
    assert list(found) == ["Checkpoint", "Data", "Code", "Configuration"]
    assert list(fingerprints(run.digest, run.facts, None)) == ["Checkpoint", "Data", "Code"]
    page = render(replace(bare(), config="sha256:" + "c" * 64))
    assert all(f'title="{digest}"' in page for digest in found.values())
    assert {QUEUE.name, URGENCY.name} <= set(words(page).split())
