"""The text that a model reads."""

from service.contract.ticket import render


def test_subject_and_body_stand_on_lines_of_their_own() -> None:
    assert render(" Printer ", "is on fire\n") == "Printer\nis on fire"
    assert render("", "only a body") == "only a body"
    assert render("only a subject", " \t") == "only a subject"


def test_a_ticket_of_white_space_renders_to_nothing() -> None:
    assert render(" \n", "\x00\t") == ""


def test_what_no_tokenizer_can_encode_is_replaced() -> None:
    assert render("cut emoji \ud83d", "nul\x00byte") == "cut emoji \ufffd\nnul byte"
    assert render("", "🙂 مرحبا").encode() == "🙂 مرحبا".encode()
