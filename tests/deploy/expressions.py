"""A PromQL expression comes in; the metrics and labels that it names go out."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from service.metrics import CATALOGUE

_METRIC = re.compile(r"(?<![\w$])(harbor_\w+|process_\w+|up|ALERTS|\w+:\w+:\w+)\b(\{[^}]*\})?")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_TEXT = re.compile(r'"[^"]*"')
_LISTED = re.compile(r"\b(?:by|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_TARGET = {"job", "instance"}
_FOREIGN = {
    "up": _TARGET,
    "ALERTS": {"alertname", "alertstate", "severity"} | _TARGET,
    **{
        f"process_{name}": _TARGET
        for name in (
            "cpu_seconds_total",
            "max_fds",
            "open_fds",
            "resident_memory_bytes",
            "start_time_seconds",
        )
    },
}
"""What Prometheus and its client library name, not Harbor."""


class Named(NamedTuple):
    """A metric in an expression, and the labels that its selector matches on."""

    metric: str
    labels: frozenset[str]


def metrics(expression: str) -> Iterator[Named]:
    """The metrics of an expression, in its order."""
    for match in _METRIC.finditer(expression):
        if match[1] in _labels(expression):
            continue
        selector = _TEXT.sub('""', match[2] or "")
        yield Named(match[1], frozenset(_MATCHER.findall(selector)))


def known(recorded: Mapping[str, str]) -> dict[str, set[str]]:
    """The labels of every metric there is, by its name.

    recorded: expressions of the recording rules, by what they record.
    """
    found: dict[str, set[str]] = {name: set(labels) for name, labels in _FOREIGN.items()}
    for entry in CATALOGUE:
        labels = set(entry.labels) | _TARGET
        if entry.type == "histogram":
            found |= {f"{entry.name}_{part}": labels for part in ("sum", "count")}
            found[f"{entry.name}_bucket"] = labels | {"le"}
        else:
            found[entry.name] = labels
    return found | {name: _labels(text) | _TARGET for name, text in recorded.items()}


def faults(expression: str, known: Mapping[str, set[str]]) -> list[str]:
    """What an expression names that does not exist: metrics, or labels of one."""
    named = list(metrics(expression))
    wrong = [name.metric for name in named if name.metric not in known]
    for name in named:
        unknown = name.labels - known.get(name.metric, name.labels)
        wrong += [f"{name.metric}{{{label}}}" for label in sorted(unknown)]
    there = set().union(*(known.get(name.metric, set()) for name in named))
    return wrong + sorted(_labels(expression) - there)


def _labels(expression: str) -> set[str]:
    """The labels of `by (...)` and its like."""
    listed = ",".join(_LISTED.findall(expression))
    return {label.strip() for label in listed.split(",") if label.strip()}
