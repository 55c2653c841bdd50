"""The language of a ticket: what the desk says first, else what the text looks like."""

import pytest

from service.ledger.language import declared, detected


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ({"language": "DE"}, "de"),
        ({"lang": "pt-BR"}, "pt"),
        ({"locale": "en_GB.UTF-8"}, "en"),
        ({"language": "German", "locale": "de"}, "de"),
        ({"language": 5}, None),
        ({"language": ""}, None),
        ({}, None),
        (None, None),
    ],
)
def test_the_desk_declares_it(metadata: dict[str, object] | None, code: str | None) -> None:
    assert declared(metadata) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("My last invoice is wrong and I would like a refund", "en"),
        ("Meine letzte Rechnung ist falsch, bitte prüfen Sie das", "de"),
        ("Bonjour, je n'arrive plus à ouvrir mon compte client", "fr"),
        ("ok thanks", None),
        ("a b c d e", None),
        ("", None),
    ],
)
def test_a_text_of_some_length_tells_it(text: str, code: str | None) -> None:
    assert detected(text) == code
