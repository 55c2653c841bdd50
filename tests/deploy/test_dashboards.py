"""Grafana's dashboards and provisioning files: their shape, and that what they name exists."""

from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy import dashboards, rules
from tests.deploy.expressions import faults, known

UNITS = {"none", "short", "s", "bytes", "percentunit", "ops", "reqps"}
KINDS = {"timeseries", "stat", "table", "heatmap", "state-timeline"}
BUILT_IN = {"__rate_interval", "datasource"}

each = pytest.mark.parametrize("path", dashboards.PATHS, ids=lambda path: path.stem)


def test_there_is_a_dashboard_for_the_service_and_one_for_the_shadow() -> None:
    assert [path.stem for path in dashboards.PATHS] == ["service", "shadow"]


@each
def test_every_metric_and_label_of_a_dashboard_exists(path: Path) -> None:
    there = known(rules.recorded())
    wrong = {str(query): faults(query.expression, there) for query in dashboards.queries(path)}
    assert {query: found for query, found in wrong.items() if found} == {}


@each
def test_every_variable_of_a_dashboard_is_defined_and_used(path: Path) -> None:
    document = dashboards.read(path)
    defined = {variable["name"] for variable in dashboards.variables(document)}
    text = path.read_text(encoding="utf-8")
    assert {name for name in defined if f"${name}" not in text and f"${{{name}}}" not in text} == (
        set()
    )
    values = dict.fromkeys(defined | BUILT_IN, "x")
    for query in dashboards.queries(path):
        assert "$_" not in dashboards.fill(query.expression, values)


@each
def test_a_dashboard_is_one_that_grafana_11_reads(path: Path) -> None:
    document = dashboards.read(path)
    assert document["id"] is None
    assert document["uid"] == f"harbor-{path.stem}"
    assert document["schemaVersion"] >= 39
    numbers = Counter(panel["id"] for panel in document["panels"])
    assert set(numbers.values()) == {1}
    for panel in dashboards.panels(document):
        _check_panel(panel)


@each
def test_panels_of_a_dashboard_do_not_overlap(path: Path) -> None:
    places = [panel["gridPos"] for panel in dashboards.read(path)["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert [pair for pair in combinations(places, 2) if _overlap(*pair)] == []


@each
def test_every_query_goes_to_the_chosen_data_source(path: Path) -> None:
    document = dashboards.read(path)
    asked = [target for panel in dashboards.panels(document) for target in panel["targets"]]
    asked += [one for one in dashboards.variables(document) if one["type"] == "query"]
    assert {one["datasource"]["uid"] for one in asked} == {"${datasource}"}


def test_dashboards_link_to_each_other() -> None:
    found = [dashboards.read(path) for path in dashboards.PATHS]
    links = [link["url"] for document in found for link in document["links"]]
    assert sorted(links) == sorted(f"/d/{document['uid']}" for document in found)


def test_the_data_source_is_the_dashboards_default() -> None:
    (source,) = _provisioned("datasources/prometheus.yml")["datasources"]
    for path in dashboards.PATHS:
        variable = dashboards.variables(dashboards.read(path))[0]
        assert variable["current"]["value"] == source["uid"]
        assert variable["current"]["text"] == source["name"]


def test_the_data_source_knows_the_scrape_interval() -> None:
    (source,) = _provisioned("datasources/prometheus.yml")["datasources"]
    scraped = yaml.safe_load((rules.DIRECTORY / "prometheus.yml").read_text())["global"]
    assert source["jsonData"]["timeInterval"] == scraped["scrape_interval"]


def _check_panel(panel: Any) -> None:
    assert panel["type"] in KINDS
    assert panel["title"]
    assert panel["description"], panel["title"]
    assert panel["fieldConfig"]["defaults"].get("unit", "none") in UNITS, panel["title"]
    names = [target["refId"] for target in panel["targets"]]
    assert names == [chr(ord("A") + place) for place in range(len(names))]


def _overlap(one: Any, other: Any) -> bool:
    return bool(
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


def _provisioned(name: str) -> Any:
    return yaml.safe_load((dashboards.GRAFANA / "provisioning" / name).read_text())
