"""The real Prometheus beside the real service: every panel has data, every rule evaluates."""

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from service.contract.promises import Evidence, Promise, Share, Threshold
from tests.benchmarks.server import serving
from tests.deploy import dashboards, rules
from tests.deploy.dashboards import Query
from tests.deploy.prometheus import Prometheus, scraping
from tests.deploy.traffic import posting
from tests.service.shadow.remote_systems import RemoteSystem, json_config, running
from tests.tiny_bundle import write_bundle

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
WITHIN_S = 60.0
SPAN_S = 5.0
INTERVAL = "10s"
"""Grafana's `$__rate_interval` at one scrape a second is a little less."""


@pytest.fixture(scope="module")
def remote() -> RemoteSystem:
    """Answers the legacy `crm`."""
    return RemoteSystem()


@pytest.fixture(scope="module")
def observed(
    remote: RemoteSystem, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """Prometheus, a service with two legacies in shadow, and tickets that come in."""
    folder = tmp_path_factory.mktemp("observed")
    bundle = write_bundle(folder / "bundle", thresholds={"category": promising()})
    write_bundle(folder / "old", seed=1)
    ledger = ("--ledger", f"sqlite:///{folder}/ledger.db", "--ledger-flush-s", "0.2")
    with running(remote) as address:
        flags = ("--shadow", str(shadow(folder, address)), *ledger)
        with (
            serving(bundle, *flags) as server,
            scraping(urlsplit(server.url).netloc, folder) as prometheus,
            posting(server.url),
        ):
            yield prometheus


def promising() -> Threshold:
    """Promises next to nothing, so that it is kept."""
    share = Share(value=0.5, low=0.4, high=0.6)
    evidence = Evidence(tickets=100, accepted=50, right=25, precision=share, coverage=share)
    return Threshold(auto=0.0, promise=Promise(kind="precision", target=0.001, evidence=evidence))


def shadow(folder: Path, address: str) -> Path:
    """The file of a shadow with a bundle and a remote system, for tasks that they share."""
    crm = {"name": "crm", "json": json_config(address)}
    path = folder / "shadow.yaml"
    path.write_text(yaml.safe_dump({"legacies": [{"name": "old", "bundle": "old"}, crm]}))
    return path


@pytest.mark.parametrize("path", dashboards.PATHS, ids=lambda path: path.stem)
def test_every_query_of_every_panel_gives_finite_data(observed: Prometheus, path: Path) -> None:
    waiting = dashboards.queries(path)

    def all_answered() -> bool:
        waiting[:] = [query for query in waiting if not has_data(observed, path, query)]
        return not waiting

    wait_for(all_answered)
    assert [str(query) for query in waiting] == []


def test_every_rule_evaluates_and_no_alert_fires_on_a_sound_service(observed: Prometheus) -> None:
    names = rules.recorded().keys() | rules.alerts().keys()
    wait_for(lambda: all(rule["health"] == "ok" for rule in observed.rules()))
    found = observed.rules()
    assert {rule["name"] for rule in found} == names
    assert [rule["name"] for rule in found if rule["health"] != "ok" or "lastError" in rule] == []
    assert [rule["name"] for rule in found if rule.get("state") == "firing"] == []


def test_every_offered_answer_is_accounted_for_in_every_scrape(observed: Prometheus) -> None:
    path = next(path for path in dashboards.PATHS if path.stem == "shadow")
    (query,) = (query for query in dashboards.queries(path) if query.panel == "Unaccounted")
    wait_for(lambda: len(ask(observed, path, query, SPAN_S)) > SPAN_S)
    assert set(ask(observed, path, query, SPAN_S)) == {0.0}


def test_decisions_comparisons_and_final_labels_reach_the_ledger(observed: Prometheus) -> None:
    written = "harbor_ledger_records_total"
    wait_for(lambda: len(observed.values(written)) == 3)
    assert observed.label_values("kind", written) == ["comparison", "decision", "feedback"]
    assert observed.values("harbor_ledger_up") == [1.0]
    assert observed.values("harbor_ledger_dropped_total") == []


def test_final_labels_become_reliability_and_a_promise_s_standing(observed: Prometheus) -> None:
    labelled = 'harbor_reliability_labelled{task="category"}'
    wait_for(lambda: observed.values(labelled) > [1.0])
    assert observed.values('harbor_reliability_labelled{task="queue"}') == [0.0]
    assert observed.label_values("bound", "harbor_reliability_gap") == ["high", "low", "value"]
    assert observed.values("harbor_promise_broken") == [0.0]
    assert observed.values("harbor_promise_target") == [0.001]


def test_a_legacy_that_crashes_shows_as_failures_and_an_open_circuit(
    observed: Prometheus, remote: RemoteSystem
) -> None:
    remote.mode = "crashing"
    failed = 'sum(harbor_shadow_failed_total{legacy="crm", reason=~"status|unreachable|malformed"})'
    wait_for(lambda: observed.values(failed) > [0.0])
    wait_for(lambda: observed.values('harbor_legacy_circuit_open{legacy="crm"}') == [1.0])
    wait_for(lambda: observed.values('harbor_shadow_dropped_total{reason="circuit_open"}') != [])
    assert observed.values('sum(harbor_requests_total{endpoint="route", outcome="internal"})') == []


def has_data(prometheus: Prometheus, path: Path, query: Query) -> bool:
    """Whether a query has values, all of them finite; for a repeated panel, in each of them."""
    span_s = None if query.instant else SPAN_S
    choices = [{}] if query.repeated is None else _each(prometheus, path, query.repeated)
    found = [ask(prometheus, path, query, span_s, **choice) for choice in choices]
    return bool(found) and all(values and all(map(math.isfinite, values)) for values in found)


def ask(
    prometheus: Prometheus, path: Path, query: Query, span_s: float | None, **chosen: str
) -> list[float]:
    """The values of a query with every variable on `All`, apart from those that are chosen."""
    choices = {name: "|".join(found) for name, found in offered(prometheus, path).items()}
    filled = dashboards.fill(query.expression, choices | {"__rate_interval": INTERVAL} | chosen)
    return prometheus.values(filled, span_s)


def offered(prometheus: Prometheus, path: Path) -> dict[str, list[str]]:
    """What each variable of a dashboard offers, asked as Grafana asks: in their order."""
    found: dict[str, list[str]] = {"datasource": ["prometheus"]}
    for variable in dashboards.variables(dashboards.read(path))[1:]:
        question = variable["definition"].removeprefix("label_values(").removesuffix(")")
        selector, label = question.rsplit(", ", 1)
        so_far = {name: "|".join(values) for name, values in found.items()}
        found[variable["name"]] = prometheus.label_values(label, dashboards.fill(selector, so_far))
    return found


def _each(prometheus: Prometheus, path: Path, variable: str) -> list[dict[str, str]]:
    return [{variable: value} for value in offered(prometheus, path)[variable]]


def wait_for(condition: Callable[[], bool]) -> None:
    """Returns once it holds, or when the time is up: the caller's assertion then says what is."""
    deadline = time.monotonic() + WITHIN_S
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.2)
