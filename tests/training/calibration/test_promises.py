"""What a file of promises may say, and what each refusal names."""

from pathlib import Path

import pytest

from tests.training.calibration.simulated import QUEUE, URGENCY
from training.calibration.promises import Promises, parse_promises, read_promises
from training.errors import ConfigError

FILE = """
queue:    {precision: 0.97, suggest: 0.8}
category: {coverage: 0.8}
urgency:
  costs: {P0: {P1: 50, P2: 50, P3: 50}, default: 2}
  human: 3
  choose: expected_cost
level: 0.9
scope: 0.98
"""


def test_a_file_names_promises_by_task(tmp_path: Path) -> None:
    path = tmp_path / "promises.yaml"
    path.write_text(FILE, encoding="utf-8")
    promises = read_promises(path)
    assert list(promises.tasks) == ["queue", "category", "urgency"]
    assert (promises.level, promises.sets, promises.scope) == (0.9, 0.9, 0.98)
    assert (promises.tasks["queue"].precision, promises.tasks["queue"].suggest) == (0.97, 0.8)
    kinds = [promise.kind for promise in promises.tasks.values()]
    assert kinds == ["precision", "coverage", "cost"]


def test_pairs_that_the_costs_do_not_name_cost_the_default() -> None:
    promise = parse_promises(
        {"urgency": {"costs": {"P0": {"P1": 50, "P3": 60}, "default": 2}, "human": 3}}, "a file"
    ).tasks["urgency"]
    costs = promise.costs_of(URGENCY)
    assert costs is not None
    assert costs.matrix == ((0, 50, 2, 60), (2, 0, 2, 2), (2, 2, 0, 2), (2, 2, 2, 0))
    assert costs.human == 3.0


def test_without_a_default_a_wrong_label_costs_one() -> None:
    promise = parse_promises({"queue": {"costs": {}, "human": 0.5}}, "a file").tasks["queue"]
    costs = promise.costs_of(QUEUE)
    assert costs is not None
    assert costs.matrix == ((0, 1, 1), (1, 0, 1), (1, 1, 0))


def test_a_label_may_be_called_default() -> None:
    document = {"queue": {"costs": {"default": {"billing": 9}}, "human": 1}}
    promise = parse_promises(document, "a file").tasks["queue"]
    assert promise.costs == {"default": {"billing": 9.0}}
    assert promise.default == 1.0


def test_an_empty_file_promises_nothing(tmp_path: Path) -> None:
    path = tmp_path / "promises.yaml"
    path.write_text("", encoding="utf-8")
    assert read_promises(path) == Promises()


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ({}, "queue: needs exactly one of precision, coverage, costs, found none"),
        (
            {"precision": 0.9, "coverage": 0.8},
            "queue: needs exactly one of precision, coverage, costs, found precision and coverage",
        ),
        ({"precision": 1.0}, "queue.precision: Input should be less than 1"),
        ({"coverage": 0}, "queue.coverage: Input should be greater than 0"),
        (
            {"precison": 0.9},
            "queue.precison: no such key; allowed: precision, coverage, costs, human, choose, "
            "per_label, suggest",
        ),
        ({"costs": {"default": 2}}, "queue: costs and human are given together or not at all"),
        (
            {"precision": 0.9, "human": 2},
            "queue: costs and human are given together or not at all",
        ),
        (
            {"precision": 0.9, "choose": "expected_cost"},
            "queue: choose: expected_cost needs costs",
        ),
        (
            {"precision": 0.9, "choose": "cheapest"},
            "queue.choose: Input should be 'probability' or 'expected_cost'",
        ),
        ({"coverage": 0.9, "per_label": True}, "queue: per_label needs precision"),
        (
            {"precision": 0.9, "suggest": 0.95},
            "queue: suggest 0.95 must not exceed precision 0.9, which auto has",
        ),
        (
            {"costs": {"billing": {"billing": 1}}, "human": 1},
            "queue: costs.billing.billing must be 0, found 1.0",
        ),
        (
            {"costs": {"billing": {"payroll": -1}}, "human": 1},
            "queue.costs.billing.payroll: Input should be greater than or equal to 0",
        ),
        ({"precision": 0.9, "default": 2}, "queue: default is a key of costs"),
        (0.97, "queue: Input should be a valid dictionary"),
    ],
)
def test_a_promise_that_breaks_a_rule_is_refused_by_its_key(task: object, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_promises({"queue": task}, "promises.yaml")
    assert f"promises.yaml is not valid: {reason}" in str(caught.value)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"level": 1.5}, "level: Input should be less than 1"),
        ({"Queue 1": {"precision": 0.9}}, "Queue 1: no name of a task or label"),
        (["queue"], "the file must map tasks to promises"),
    ],
)
def test_a_file_that_breaks_a_rule_is_refused(document: object, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_promises(document, "promises.yaml")
    assert f"promises.yaml is not valid: {reason}" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("queue: {precision: 0.9}\nqueue: {precision: 0.5}", "the key queue stands twice"),
        ("queue: {precision: 0.9", "cannot be read"),
    ],
)
def test_a_file_that_is_no_plain_yaml_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "promises.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=reason):
        read_promises(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"promises\.yaml cannot be read"):
        read_promises(tmp_path / "promises.yaml")


def test_a_promise_for_no_task_names_the_tasks() -> None:
    promises = parse_promises({"team": {"precision": 0.9}}, "a file")
    with pytest.raises(ConfigError, match="promises may name queue, urgency, found team"):
        promises.check((QUEUE, URGENCY))


@pytest.mark.parametrize("costs", [{"P9": {"P0": 1}}, {"P0": {"P9": 1}}])
def test_a_cost_of_no_label_names_the_labels(costs: dict[str, dict[str, float]]) -> None:
    promises = parse_promises({"urgency": {"costs": costs, "human": 1}}, "a file")
    with pytest.raises(ConfigError, match=r"urgency\.costs may name P0, P1, P2, P3, found P9"):
        promises.check((URGENCY,))
