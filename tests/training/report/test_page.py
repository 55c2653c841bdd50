"""The report's page: complete in itself, harmless, and there for every run."""

import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

import numpy as np
import pytest

from service.contract.tasks import Task
from tests.training.report.runs import (
    QUEUE,
    URGENCY,
    finished,
    scoped,
    simulated,
    split,
    usual,
    usual_page,
)
from training.calibration.judge import inside, judge
from training.calibration.promises import parse_promises
from training.data.dataset import UNLABELLED
from training.errors import ConfigError
from training.predictions import Predictions
from training.report.finished import Finished
from training.report.page import render

VOID = {"meta", "br", "path", "use", "line"}
OPTIONAL = {"tr", "th", "td"}


class Reader(HTMLParser):
    """Tags that are open, and everything that would be fetched or run."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.labels: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        found = dict(attrs)
        self.links += [str(value) for name, value in attrs if name in ("href", "src", "xlink:href")]
        self.ids += [str(found["id"])] if "id" in found and tag != "path" else []
        self.labels += [str(found["aria-label"])] if found.get("role") == "img" else []
        assert not [name for name in found if name.startswith("on")]
        if tag not in VOID | OPTIONAL:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID | OPTIONAL:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID | OPTIONAL:
            assert self.open.pop() == tag


@cache
def hostile() -> Finished:
    """A small run without a record, whose labels are markup."""
    labels = ("<script>alert(1)</script>", '"><img src=x onerror=1>', "{{ 7 * 7 }}", "a & b")
    run = simulated(Task(name="urgency", labels=labels, kind="ordinal"), tickets=60)
    return replace(run, events=())


@cache
def hostile_page() -> str:
    return render(hostile())


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def words(text: str) -> str:
    body = text.partition("<body>")[2].replace("\N{NO-BREAK SPACE}", " ")
    return re.sub(r"(?:<[^>]+>|\s)+", " ", body)


def test_the_page_is_complete_in_itself_and_runs_nothing() -> None:
    reader = read(usual_page())
    assert all(link.startswith("#") for link in reader.links)
    assert not reader.seen & {"script", "iframe", "img", "link", "object", "form", "image"}
    assert not re.search(r"@import|url\((?!#)|https?:", usual_page())
    assert "default-src 'none'" in usual_page()
    assert "prefers-color-scheme: dark" in usual_page()
    assert len(usual_page().encode()) < 400_000


def test_the_same_run_gives_the_same_bytes() -> None:
    assert render(hostile()) == hostile_page()


def test_every_plot_says_in_words_what_it_shows() -> None:
    reader = read(usual_page())
    assert len(reader.labels) == usual_page().count("<svg") == 11
    assert all(len(label) > 40 for label in reader.labels)


def test_plots_follow_light_and_dark_and_leave_the_page_alone() -> None:
    plots = "".join(re.findall(r"<svg.*?</svg>", usual_page(), re.DOTALL))
    assert "var(--good)" in plots
    assert not re.search(r"#[0-9a-f]{6}", plots)
    assert "<style" not in plots
    ids = [one for one in read(usual_page()).ids if one not in ("queue", "urgency")]
    assert not [one for one in ids if not re.fullmatch(r"[pm][0-9a-f]+", one)]


def test_the_verdict_comes_first() -> None:
    text = words(usual_page())
    assert text.index("Ahead of every baseline on queue and urgency") < text.index("Test tickets")
    assert text.index("Test tickets") < text.index("Reliability")


def test_a_baseline_has_its_intervals_as_harbor_has() -> None:
    row = usual_page().split('<th scope="row">majority')[1].split("</tr>")[0]
    assert "<small>26.0 to 34.0\xa0%</small>" in row
    assert "0.100<br><small>0.080 to 0.120</small>" in row


def test_a_label_of_markup_is_shown_as_text() -> None:
    reader = read(hostile_page())
    assert not reader.seen & {"script", "img"}
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in hostile_page()
    assert "{{ 7 * 7 }}" in hostile_page()


def test_a_thousand_labels_fit_on_a_usual_page() -> None:
    wide = Task(name="product", labels=tuple(f"product number {at}" for at in range(1000)))
    chance = np.random.default_rng(3)
    logits_NC = chance.normal(0, 3, (80, 1000)).astype(np.float32)
    test = Predictions({"product": logits_NC}, {"product": chance.integers(0, 1000, 80)})
    found = render(replace(finished([wide], {"test": test}), events=()))
    assert len(found.encode()) < 300_000
    assert "981 of 1,000 labels" in words(found)


def test_a_run_of_an_older_harbor_has_what_its_record_tells() -> None:
    old = replace(usual(), predictions={}, events=())
    text = words(render(old))
    assert text.count("concluded before Harbor kept its predictions") == 2
    assert text.count("Train anew with this Harbor") == 2
    assert text.count("The run's record holds no epoch of this task.") == 2
    assert text.count("What can be promised is not known") == 2
    assert "Against the baselines" in text


def test_a_task_without_a_test_label_is_said_in_words() -> None:
    parts = {name: split([QUEUE, URGENCY], 60, seed) for seed, name in enumerate(("test", "x"))}
    calm_N = np.where(parts["test"].labels["urgency"] == 0, 1, parts["test"].labels["urgency"])
    blank = {"urgency": calm_N, "queue": np.full(60, UNLABELLED)}
    test = Predictions(parts["test"].logits, blank)
    run = finished([QUEUE, URGENCY], {"test": test, "calibration": test})
    text = words(render(replace(run, events=())))
    assert text.count("No ticket of the test split has a label of this task") == 1
    assert "No test ticket has a label of this task." in text
    assert text.count("Risk and coverage") == 1
    assert "No test ticket is truly P0: what would be missed is not known." in text


def test_what_is_asked_is_shown_as_an_export_would_promise_it_or_refused() -> None:
    run, queue = replace(scoped(usual()), events=()), {"queue": {"precision": 0.9}, "scope": 0.7}
    wanted = parse_promises({**queue, "urgency": {"precision": 0.999}}, "test")
    text = words(render(run, promises=wanted))
    assert "What was asked can be promised on queue, what was asked is refused on urgency." in text
    assert "auto is right at least 90 % of the time" in text
    assert "Refused: task urgency: a precision of 0.999" in text
    split = run.predictions["calibration"]
    exported = judge((QUEUE,), split, parse_promises(queue, "test"), None, "mahalanobis")
    threshold = exported.thresholds["queue"]
    assert threshold.promise is not None
    assert exported.scope is not None
    seen = threshold.promise.evidence
    assert f"Threshold {threshold.auto:.3f}; suggest from {threshold.suggest:.3f}." in text
    assert f"Seen on the calibration split: {seen.accepted} of {seen.tickets} auto" in text
    labelled_N = split.labels["queue"] != UNLABELLED
    outside = int((~inside(split.scope_N, exported.scope))[labelled_N].sum())
    assert 100 < outside < 200
    assert f"Out of scope, so that an agent decides: {outside} of these" in text


def test_promises_for_an_unknown_task_are_refused() -> None:
    with pytest.raises(ConfigError, match="promises may name queue, urgency, found team"):
        render(usual(), promises=parse_promises({"team": {"coverage": 0.5}}, "test"))
