"""How a remote system is asked: what is refused, by which rule, and what no message shows."""

from typing import Any

import pytest

from service.errors import ShadowRefused
from service.shadow.config import parse_shadow
from tests.service.shadow.remote_systems import json_config, v2_config

SECRET = "s3cr3t-value"


def json_legacy(**changes: Any) -> dict[str, Any]:
    return {"name": "crm", "json": {**json_config("http://crm", "category"), **changes}}


def refusal(legacy: dict[str, Any]) -> str:
    context = {"environ": {"CRM_TOKEN": SECRET}}
    with pytest.raises(ShadowRefused) as caught:
        parse_shadow({"legacies": [legacy]}, "shadow.yaml", context)
    return str(caught.value)


def test_a_refusal_shows_no_secret() -> None:
    message = refusal(json_legacy(url="ftp://${CRM_TOKEN}/x", headers={"X-Key": "${CRM_TOKEN}\n"}))

    assert SECRET not in message
    assert "url" in message
    assert "headers" in message


def test_a_missing_variable_is_refused_by_name() -> None:
    message = refusal(json_legacy(headers={"Authorization": "Bearer ${NOT_SET}"}))

    assert "legacies.0.json.headers.Authorization" in message
    assert "NOT_SET is missing or empty" in message


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"url": "crm/classify"}, "http:// or https://"),
        ({"url": "http://"}, "name a host"),
        ({"url": "http://me:word@crm/"}, "belongs in headers"),
        ({"url": "http://crm/#top"}, "no fragment"),
        ({"url": "http://crm/${}"}, "name of an environment variable"),
        ({"url": "http://crm:port/"}, "not a URL"),
        ({"url": 7}, "it must be text"),
        ({"method": "GET"}, "'POST' or 'PUT'"),
        ({"headers": {"Content-Length": "3"}}, "set by Harbor"),
        ({"headers": {"X Y": "3"}}, "must be a token"),
        ({"headers": {"X-Y": "é"}}, "printable ASCII"),
        ({"headers": {"X-Y": "key "}}, "printable ASCII"),
        ({"body": {"text": "hello"}}, "name a part of the ticket"),
        ({"body": {"text": "{text} }"}}, "must be doubled"),
        ({"body": {"text": "{test}"}}, "{test} is none of"),
        ({"body": {"text": "{text}", "at": float("inf")}}, "must be JSON"),
        ({"body": ["{text}", "x" * 70_000]}, "at most 65536 bytes"),
        ({"outputs": {}}, "at least 1 item"),
        ({"outputs": {"category": {"label": "result.cat"}}}, "JSONPath (RFC 9535)"),
        ({"outputs": {"category": {"label": "$["}}}, "JSONPath (RFC 9535)"),
        ({"outputs": {"category": {"label": "$.a", "score": "$.b"}}}, "Extra inputs"),
    ],
)
def test_a_wrong_endpoint_is_refused_with_its_rule(changes: dict[str, Any], rule: str) -> None:
    assert rule in refusal(json_legacy(**changes))


@pytest.mark.parametrize(
    ("output", "rule"),
    [
        ({}, "exactly one of label and probabilities"),
        ({"label": "a", "probabilities": "b", "labels": ["x", "y"]}, "exactly one of label and"),
        ({"probabilities": "b"}, "labels and probabilities go together"),
        ({"label": "a", "labels": ["x", "y"]}, "labels and probabilities go together"),
        ({"probabilities": "b", "labels": ["x", "x"]}, "stands twice"),
        ({"probabilities": "b", "labels": ["x", "y"], "confidence": "c"}, "confidence goes with"),
    ],
)
def test_a_wrong_output_tensor_is_refused_with_its_rule(output: Any, rule: str) -> None:
    section = {**v2_config("http://triton"), "outputs": {"category": output}}

    assert rule in refusal({"name": "triton", "v2": section})
