from pathlib import Path
from typing import Any

import pytest

from service.contract.tasks import Task
from service.errors import ShadowRefused
from service.shadow.config import (
    LegacyConfig,
    ShadowConfig,
    check_plan,
    check_tasks,
    parse_shadow,
    read_shadow,
)
from service.shadow.plan import Plan, TaskPlan
from tests.service.shadow.remote_systems import json_config

SECRET = "s3cr3t-value"
ENVIRON = {"CRM_TOKEN": SECRET, "HOST": "desk"}
CATEGORY = Task(name="category", labels=("billing", "technical", "outage"))
QUEUE = Task(name="queue", labels=("payments", "platform"))
WHOLE = """
sample: 0.5
queue: 200
alpha: 0.01
maturity_days: 1.5
tasks:
  category:
    criterion: non_inferiority
    margin: 0.01
    horizon: 5000
    guards: [{dimension: category, value: outage}]
legacies:
  - name: old-queue
    bundle: ../old-bundle
    tasks: [queue]
  - name: triton
    v2:
      url: http://${HOST}:8000
      model: router
      outputs:
        category: {label: category_label, confidence: category_score}
        queue: {probabilities: shares, labels: [Payments, platform]}
    timeout_s: 1.5
    connections: 2
    breaker: {failures: 3, cooldown_s: 1}
    labels: {queue: {Payments: payments}}
  - name: crm
    role: challenger
    json:
      url: https://crm.example/classify
      headers: {Authorization: "Bearer ${CRM_TOKEN}"}
      body: {text: "{subject}\\n{body}", id: "{ticket_id}"}
      outputs: {category: {label: $.result.cat, confidence: $.result.score}}
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "shadow.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def json_legacy(**changes: Any) -> dict[str, Any]:
    return {"name": "crm", "json": {**json_config("http://crm", "category"), **changes}}


def parse(*legacies: dict[str, Any], **keys: Any) -> ShadowConfig:
    return parse_shadow({"legacies": list(legacies), **keys}, "shadow.yaml", {"environ": ENVIRON})


def refusal(*legacies: dict[str, Any], **keys: Any) -> str:
    with pytest.raises(ShadowRefused) as caught:
        parse(*legacies, **keys)
    return str(caught.value)


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    config = read_shadow(write(tmp_path, WHOLE), ENVIRON)

    queue, triton, crm = config.legacies
    assert (config.sample, config.queue, config.max_age_s, config.window) == (0.5, 200, 30, 10_000)
    assert [one.kind for one in config.legacies] == ["bundle", "v2", "json"]
    assert [one.role for one in config.legacies] == ["incumbent", "incumbent", "challenger"]
    assert (triton.connections, triton.breaker.failures, triton.timeout_s) == (2, 3, 1.5)
    assert triton.v2 is not None
    assert triton.v2.url.value == "http://desk:8000"
    assert crm.json_ is not None
    assert crm.json_.headers["Authorization"].value == f"Bearer {SECRET}"
    assert queue.tasks == ("queue",)


def test_a_bundle_is_looked_for_from_where_the_file_lies(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()

    config = read_shadow(write(tmp_path / "etc", WHOLE), ENVIRON)

    assert config.legacies[0].bundle is not None
    assert config.legacies[0].bundle.resolve() == tmp_path.resolve() / "old-bundle"


def test_a_plan_holds_the_tasks_of_one_legacy_with_defaults(tmp_path: Path) -> None:
    config = read_shadow(write(tmp_path, WHOLE), ENVIRON)

    plan = config.plan_for("triton", "incumbent", ["category", "queue"])

    assert plan == Plan(
        legacy="triton",
        role="incumbent",
        alpha=0.01,
        maturity_days=1.5,
        tasks={"category": config.tasks["category"], "queue": TaskPlan()},
    )


def test_nothing_shows_a_secret(tmp_path: Path) -> None:
    config = read_shadow(write(tmp_path, WHOLE), ENVIRON)

    assert SECRET not in f"{config!r} {config} {config.legacies[2].json_!r}"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"name": "Crm"}, "legacies.0.name"),
        ({"name": "c" * 33}, "legacies.0.name"),
        ({"bundle": "old"}, "exactly one of bundle, v2 and json"),
        ({"json": None}, "exactly one of bundle, v2 and json"),
        ({"json": None, "bundle": "old", "connections": 2}, "connections is for remote systems"),
        ({"tasks": ["queue"]}, "tasks names queue, which has no line in outputs"),
        ({"tasks": ["category", "category"]}, "names a task twice"),
        ({"labels": {"queue": {"a": "b"}}}, "labels names queue"),
        ({"timeout_s": 0}, "legacies.0.timeout_s"),
        ({"connections": 0}, "legacies.0.connections"),
        ({"brekaer": {}}, "legacies.0.brekaer"),
    ],
)
def test_a_wrong_legacy_is_refused_with_its_key(changes: dict[str, Any], rule: str) -> None:
    assert rule in refusal({**json_legacy(), **changes})


def test_two_legacies_of_one_name_are_refused() -> None:
    assert "two legacies are named crm" in refusal(json_legacy(), json_legacy())


def test_a_shadow_without_legacies_is_refused() -> None:
    assert "legacies" in refusal()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: 1\nlegacies: }", "it is not YAML at line 2"),
        ("a: 1\na: 2\n", "the key a stands twice"),
        ("when: 2026-99-99", "month must be"),
        ("[" * 500, "nested too deep"),
    ],
)
def test_what_is_not_yaml_is_refused_by_the_files_name(
    tmp_path: Path, text: str, reason: str
) -> None:
    with pytest.raises(ShadowRefused) as caught:
        read_shadow(write(tmp_path, text))

    assert str(caught.value).startswith("shadow.yaml cannot be read: ")
    assert reason in str(caught.value)


@pytest.mark.parametrize("text", ["", "legacies: 7", "[1, 2]", "hello"])
def test_yaml_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ShadowRefused, match=r"shadow\.yaml is not a valid shadow"):
        read_shadow(write(tmp_path, text))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ShadowRefused, match="No such file"):
        read_shadow(tmp_path / "none.yaml")


def bundle_legacy(**changes: Any) -> LegacyConfig:
    return parse({"name": "old", "bundle": "old", **changes}).legacies[0]


def test_a_bundle_that_shares_a_task_fits() -> None:
    check_tasks(bundle_legacy(), (CATEGORY, QUEUE), (QUEUE,))


@pytest.mark.parametrize(
    ("changes", "own", "rule"),
    [
        ({}, Task(name="mood", labels=("good", "bad")), "shares no task"),
        ({"tasks": ["category"]}, QUEUE, "it has no task category"),
        ({"tasks": ["mood"]}, QUEUE, "the bundle that answers has no task mood"),
        ({"labels": {"queue": {"payments": "cash"}}}, QUEUE, "has no label 'cash'"),
        ({"labels": {"queue": {"cash": "payments"}}}, QUEUE, "it has no label 'cash'"),
    ],
)
def test_a_bundle_that_does_not_fit_is_refused(changes: Any, own: Task, rule: str) -> None:
    with pytest.raises(ShadowRefused, match=rule):
        check_tasks(bundle_legacy(**changes), (CATEGORY, QUEUE), (own,))


def test_a_remote_system_must_not_name_a_task_that_nobody_answers() -> None:
    legacy = parse(json_legacy()).legacies[0]

    with pytest.raises(ShadowRefused, match="the bundle that answers has no task category"):
        check_tasks(legacy, (QUEUE,))


@pytest.mark.parametrize(
    ("tasks", "rule"),
    [
        ({"mood": {}}, "no bundle has this task"),
        (
            {"queue": {"guards": [{"dimension": "category", "value": "outages"}]}},
            "category has no label 'outages'",
        ),
    ],
)
def test_a_plan_for_what_there_is_not_is_refused(tasks: Any, rule: str) -> None:
    with pytest.raises(ShadowRefused, match=rule):
        check_plan(parse(json_legacy(), tasks=tasks), (CATEGORY, QUEUE))


def test_a_guard_may_name_a_label_of_any_open_bundle() -> None:
    other = Task(name="category", labels=("Billing", "Outages"))
    guard = {"dimension": "category", "value": "Outages"}

    config = parse(json_legacy(), tasks={"queue": {"guards": [guard]}})

    check_plan(config, (CATEGORY, QUEUE, other))
