"""The report's page: complete in itself, harmless, and there for every report."""

import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

import pytest

from service.ledger.records import Role
from service.shadow import charts
from service.shadow.page import odds, p_value, percent, points, render, short
from service.shadow.plan import Guard, TaskPlan
from service.shadow.report import Report, build
from tests.service.shadow.cases import START, World, simulate
from tests.service.shadow.met import met, plan_of, registered, report_on

VOID = {"meta", "br", "circle", "line", "path"}
OPTIONAL = {"tr", "th", "td", "li"}


class Reader(HTMLParser):
    """Tags that are open, and everything that would be fetched or run."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.links += [str(value) for name, value in attrs if name in ("href", "src", "xlink:href")]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in VOID | OPTIONAL:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID | OPTIONAL:
            assert self.open.pop() == tag


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


@cache
def report() -> Report:
    plan = TaskPlan(horizon=300, guards=(Guard(dimension="language", value="de", margin=0.5),))
    return report_on(simulate(World(gap=0.04, tickets_a_day=250)), plan)


def test_the_page_is_complete_in_itself_and_runs_nothing() -> None:
    page = render(report())
    reader = read(page)
    assert reader.links == ["#category"]
    assert not reader.seen & {"script", "iframe", "img", "link", "object", "form"}
    assert "default-src 'none'" in page
    assert "url(" not in page
    assert "@import" not in page
    assert "prefers-color-scheme: dark" in page
    assert len(page.encode()) < 2_000_000


def test_the_verdict_comes_first_and_names_the_next_command() -> None:
    text = re.sub(r"<[^>]+>|\s+", " ", render(report()).partition("<body>")[2])
    assert text.index("Promote") < text.index("The bundle that answers may keep its seat")
    assert text.index("may keep its seat") < text.index("harbor-serve promote old-desk")
    assert text.index("harbor-serve promote") < text.index("Disagreement")


@pytest.mark.parametrize("role", ["incumbent", "challenger"])
@pytest.mark.parametrize("verdict", ["promote", "keep", "roll_back"])
def test_every_verdict_is_said_from_where_the_models_sit(role: Role, verdict: str) -> None:
    found = report()
    overall = found.overall.model_copy(update={"verdict": verdict, "labels_needed": None})
    page = render(found.model_copy(update={"role": role, "overall": overall}))
    assert read(page)
    assert ("harbor-serve rollback" in page) == (verdict == "roll_back")


def test_what_models_and_agents_say_is_escaped() -> None:
    hostile = "<script>alert('1')</script>\"&"
    cases = [
        replace(case, legacy_label=hostile) if number % 20 == 0 and case.legacy_label else case
        for number, case in enumerate(simulate(World(tickets_a_day=60)))
    ]
    facts = replace(met(cases, registered(START, plan_of())), legacy="<b>old</b>")
    page = render(
        build(
            facts,
            {"category": cases},
            START,
            texts=lambda ids: dict.fromkeys(ids, (hostile, hostile)),
        )
    )
    assert "script" not in read(page).seen
    assert "<b>old</b>" not in page
    assert "&lt;script&gt;" in page


def test_a_report_without_cases_or_labels_has_a_page() -> None:
    assert read(render(build(met([], registered(START, plan_of())), {}, START)))
    unlabelled = report_on(simulate(World(tickets_a_day=20, labelled=0.0)))
    assert "No final label counts for this test yet" in render(unlabelled)
    lost = report_on(simulate(World(days=1.0, tickets_a_day=20, lost=1.0)))
    assert "Nothing was compared yet" in render(lost)


def test_the_page_says_what_waits_and_on_what_its_error_rate_rests() -> None:
    found = report()
    (task,) = found.tasks
    late = {"left_out_recent": 7, "matured_s": 20 * 86_400.0, "delay_s": 8 * 86_400.0}
    changed = task.model_copy(update={"test": task.test.model_copy(update=late)})
    plain, waiting = (render(found.model_copy(update={"tasks": (one,)})) for one in (task, changed))
    for page in (plain, waiting):
        assert "chance of at most 5.0 % each, however often one looks, where every label" in page
        assert "one that comes late for these moves it" in page
    assert "for a roll-back either" not in plain
    assert "younger than 20.0 days, 7, do not count yet, for a roll-back either" in waiting
    assert "took up to 8.0 days; set <code>maturity_days: 0</code>" in waiting


def test_a_single_ticket_has_a_page() -> None:
    assert read(render(report_on(simulate(World(days=1.0, tickets_a_day=1, labelled=1.0)))))


def test_hundreds_of_labels_stay_within_two_megabytes() -> None:
    cases = [
        replace(case, legacy_label=f"label {number % 300}" if case.legacy_label else None)
        for number, case in enumerate(simulate(World(tickets_a_day=100)))
    ]
    found = report_on(cases)
    assert len(found.tasks[0].matrix.labels) == 30
    assert len(render(found).encode()) < 500_000


def test_figures_lie_within_the_frame() -> None:
    task = report().tasks[0]
    for chart in (charts.evidence(task.test), charts.gap(task.test), charts.by_day(task.days)):
        for line in (*chart.lines, *chart.bands):
            numbers = [float(one) for one in re.findall(r"-?\d+\.?\d*", line.path)]
            assert all(charts.LEFT <= x <= charts.WIDTH for x in numbers[::2])
            assert all(0 <= y <= charts.HEIGHT for y in numbers[1::2])
        assert 2 <= len(chart.ys) <= 9
        assert len({tick.text for tick in chart.ys}) == len(chart.ys)


def test_figures_are_written_as_people_read_them() -> None:
    assert (percent(0.0421), percent(None)) == ("4.2 %", "–")
    assert (points(-0.0123), points(0.01)) == ("−1.23", "+1.00")
    assert (p_value(0.0), p_value(0.0034), p_value(0.21)) == ("< 0.0001", "0.0034", "0.21")
    assert (odds(0.0), odds(3.0), odds(2000.0)) == ("1", "20", "1e869")
    assert short("sha256:" + "a" * 64) == "sha256:aaaaaaaaaaaa"
