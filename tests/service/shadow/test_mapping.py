import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.contract.ticket import Ticket, clean, render
from service.shadow.mapping import check_template, compile_path, fill

TICKET = Ticket(
    subject="Invoice {body}",
    body='I was "charged" twice \\ 😀',
    ticket_id="48213",
    metadata={"channel": "mail", "vip": True, "age": 3, "tags": ["a"]},
)


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("{subject}", "Invoice {body}"),
        ("{text}", 'Invoice {body}\nI was "charged" twice \\ 😀'),
        ("#{ticket_id}: {subject}", "#48213: Invoice {body}"),
        ("{{{ticket_id}}}", "{48213}"),
        ("{metadata.vip}", True),
        ("{metadata.tags}", ["a"]),
        ("{metadata.none}", None),
        ("vip={metadata.vip} age={metadata.age} none={metadata.none}.", "vip=true age=3 none=."),
        ({"in": [{"text": "{metadata.channel}", "n": 1}], "{x}": None}, None),
    ],
)
def test_placeholders_become_the_tickets_values(template: Any, filled: Any) -> None:
    expected = filled
    if isinstance(template, dict):
        expected = {"in": [{"text": "mail", "n": 1}], "{x}": None}

    assert fill(check_template(template), TICKET) == expected


def test_what_a_ticket_lacks_is_null_alone_and_nothing_within_text() -> None:
    bare = Ticket(subject="hello")

    assert fill({"id": "{ticket_id}", "line": "[{ticket_id}] {subject}"}, bare) == {
        "id": None,
        "line": "[] hello",
    }


@given(st.text(), st.text())
def test_any_text_arrives_as_the_model_reads_it(subject: str, body: str) -> None:
    ticket = Ticket(subject=subject, body=body)

    sent = json.loads(json.dumps(fill({"a": "{subject}", "b": ["{body}"], "c": "{text}"}, ticket)))

    assert sent == {"a": clean(subject), "b": [clean(body)], "c": render(subject, body)}


def test_a_hundred_kilobytes_of_braces_are_text() -> None:
    body = "{subject}{{" * 10_000

    assert fill("{body}", Ticket(subject="s", body=body)) == body
    assert fill("<{body}>", Ticket(subject="s", body=body)) == f"<{body}>"


@pytest.mark.parametrize(
    ("path", "value", "selected"),
    [
        ("$.result.cat", {"result": {"cat": "billing"}}, ["billing"]),
        ("$.result.cat", {"result": []}, []),
        ("$[0]['la bel']", [{"la bel": 1}], [1]),
        ("$..label", {"a": {"label": "x"}, "b": [{"label": "y"}]}, ["x", "y"]),
        ("$.best[?@.task == 'category'].label", {"best": [{"task": "category", "label": 7}]}, [7]),
        ("$", "billing", ["billing"]),
        ("$.a", '{"a": "from a text"}', []),
        ("$.a", None, []),
    ],
)
def test_a_path_selects_what_rfc_9535_says(path: str, value: Any, selected: list[Any]) -> None:
    assert compile_path(path)(value) == selected


def test_a_value_nested_too_deep_for_a_path_is_an_error() -> None:
    value: Any = "bottom"
    for _ in range(500):
        value = {"a": value}

    with pytest.raises(ValueError, match="cannot be applied"):
        compile_path("$..a")(value)
