"""Prometheus's configuration, its rules, and the rules' own tests."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.errors import ServiceError, StartError
from tests.deploy import dashboards, rules
from tests.deploy.expressions import Named, faults, known, metrics
from tests.deploy.programs import program


def test_the_configuration_and_the_rules_are_valid() -> None:
    _promtool("check", "config", str(rules.DIRECTORY / "prometheus.yml"))


@pytest.mark.parametrize("path", rules.TESTS, ids=lambda path: path.stem)
def test_the_rules_pass_their_own_tests(path: Path) -> None:
    _promtool("test", "rules", str(path))


def test_every_alert_has_a_firing_and_a_quiet_case() -> None:
    both = {(name, fires) for name in rules.alerts() for fires in (True, False)}
    assert both - set(rules.cases()) == set()


def test_every_recorded_series_is_tested_by_itself_or_by_what_reads_it() -> None:
    read = [*rules.recorded().values(), *(alert["expr"] for alert in rules.alerts().values())]
    tested = " ".join((*rules.measured(), *read))
    assert [name for name in rules.recorded() if name not in tested] == []


def test_every_metric_and_label_of_the_rules_exists() -> None:
    there = known(rules.recorded())
    texts = {**rules.recorded(), **{name: rule["expr"] for name, rule in rules.alerts().items()}}
    wrong = {name: faults(text, there) for name, text in texts.items()}
    assert {name: found for name, found in wrong.items() if found} == {}


def test_every_alert_says_how_urgent_it_is_and_what_to_do() -> None:
    for name, rule in rules.alerts().items():
        assert rule["labels"]["severity"] in {"page", "ticket"}, name
        assert {"summary", "description"} <= rule["annotations"].keys(), name


def test_faults_are_the_outcomes_of_status_5xx() -> None:
    codes = {kind.code for kind in _over_http() if kind.status >= 500}
    texts = [query.expression for path in dashboards.PATHS for query in dashboards.queries(path)]
    texts += rules.recorded().values()
    found = {match for text in texts for match in re.findall(r'outcome=~"(internal[^"]*)"', text)}
    assert {frozenset(listed.split("|")) for listed in found} == {frozenset(codes)}


def test_a_name_that_does_not_exist_is_found() -> None:
    there = known({"a:harbor_b:c": "sum by (job, reason) (harbor_queue_depth)"})
    assert faults('rate(harbor_nothing_total{job="x"}[5m])', there) == ["harbor_nothing_total"]
    assert faults('up{job="x"} + harbor_queue_depth{stage="x"}', there) == [
        "harbor_queue_depth{stage}"
    ]
    assert faults("sum by (stage) (harbor_queue_depth)", there) == ["stage"]
    assert faults("sum by (reason) (a:harbor_b:c)", there) == []


def test_metrics_are_told_from_texts_and_labels() -> None:
    expression = 'sum by (up) (harbor_degraded{job="a", task=~"harbor_x|b"}) or a:harbor_b:c'
    assert list(metrics(expression)) == [
        Named("harbor_degraded", frozenset({"job", "task"})),
        Named("a:harbor_b:c", frozenset()),
    ]


def _promtool(*arguments: str) -> None:
    command = [program("promtool"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _over_http() -> Iterator[type[ServiceError]]:
    """The tree of errors without what only stops a start."""
    waiting: list[type[ServiceError]] = [ServiceError]
    while waiting:
        kind = waiting.pop()
        yield kind
        waiting += [child for child in kind.__subclasses__() if child is not StartError]
