"""Prometheus's rule files and their tests come in; recorded series, alerts and cases go out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

DIRECTORY = Path(__file__).parents[2] / "deploy" / "prometheus"
TESTS = sorted((DIRECTORY / "tests").glob("*.yml"))


def recorded() -> dict[str, str]:
    """Expressions of the recording rules, by what they record."""
    return {rule["record"]: rule["expr"] for rule in _rules("recording.yml")}


def alerts() -> dict[str, Any]:
    """The alert rules, by name."""
    return {rule["alert"]: rule for rule in _rules("alerts.yml")}


def cases() -> Iterator[tuple[str, bool]]:
    """Each case of the rules' tests: the alert's name, and whether it must fire."""
    for path in TESTS:
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            for case in test.get("alert_rule_test", ()):
                yield case["alertname"], bool(case["exp_alerts"])


def measured() -> set[str]:
    """What the rules' tests expect of recorded series, by name."""
    return {
        case["expr"]
        for path in TESTS
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]
        for case in test.get("promql_expr_test", ())
    }


def _rules(name: str) -> Iterator[Any]:
    for group in yaml.safe_load((DIRECTORY / name).read_text(encoding="utf-8"))["groups"]:
        yield from group["rules"]
