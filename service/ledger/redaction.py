"""A ticket's text comes in; it goes out with a placeholder for whatever a rule knows as private.

Rules see patterns, not meaning: a name or an address stays. Every pattern is linear in the text:
its repeats are possessive or bounded, so hostile text cannot make it slow.
"""

import ipaddress
import re
from collections.abc import Callable

MAX_TEXT = 16_000
"""Characters of a subject or a body that are kept."""

_MARGIN = 256
_Rule = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]


def shorten(text: str) -> str:
    """The text, or its beginning without the last, perhaps halved, word."""
    if len(text) <= MAX_TEXT:
        return text
    kept, _, _ = text[:MAX_TEXT].rpartition(" ")
    # A rule might not know what is left of a number or an address that was cut in two.
    return kept if len(kept) > MAX_TEXT - _MARGIN else text[: MAX_TEXT - _MARGIN]


def redact(text: str) -> str:
    """The text with placeholders such as `[email]`.

    Known are: private keys, URLs with credentials, query or fragment, e-mail addresses, secrets
    after a word such as `password`, keys and tokens, IBANs, IP addresses, card and phone numbers,
    and runs of seven or more digits. Dates stay.
    """
    for pattern, placeholder in _RULES:
        text = pattern.sub(placeholder, text)
    return text


def _url(match: re.Match[str]) -> str:
    url = match.group()
    return "[url]" if any(mark in url for mark in "@?#") else url


def _token(match: re.Match[str]) -> str:
    run = match.group()
    mixed = any(c.isdigit() for c in run) and any(c.isalpha() for c in run)
    return "[token]" if mixed else run


def _iban(match: re.Match[str]) -> str:
    run = match.group()
    return "[iban]" if sum(c.isdigit() for c in run) >= 10 else run


def _address(match: re.Match[str]) -> str:
    try:
        ipaddress.ip_address(match.group())
    except ValueError:
        return match.group()
    return "[ip]"


def _number(match: re.Match[str]) -> str:
    run = match.group()
    digits = [int(c) for c in run if c.isdecimal()]
    if _DATE.fullmatch(run):
        return run
    if 13 <= len(digits) <= 19 and _passes_luhn(digits):
        return "[card]"
    dialled = run[0] in "+(0" or any(not c.isdecimal() for c in run)
    return "[phone]" if dialled and len(digits) <= 15 else "[number]"


def _passes_luhn(digits: list[int]) -> bool:
    """Whether the check digit of a card number is right (ISO/IEC 7812-1)."""
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


_SECRET = (
    r"password|passwd|passwort|kennwort|passphrase|passcode|pwd|pin|secret|token|api[ _-]?key|"
    r"access[ _-]?key|client[ _-]?secret|authorization|mot de passe|contraseña|senha|wachtwoord"
)
_LOCAL = r"[^\s<>()\[\],;:\"\\@]"
_VALUE = r"(?:(?:bearer|basic|token)\s{1,4})?(?:\"[^\"\n]++\"|'[^'\n]++'|\S++)"
_DATE = re.compile(r"(?:\d{4}([-./])\d{1,2}\1\d{1,2}|\d{1,2}([-./])\d{1,2}\2\d{4})(?: \d{1,2})?")
_RULES: tuple[_Rule, ...] = (
    (
        re.compile(r"-----BEGIN [A-Z ]{0,40}-----(?:.*?-----END [A-Z ]{0,40}-----|.*+)", re.DOTALL),
        "[key]",
    ),
    (re.compile(r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{1,20}://[^\s<>\"']++", re.IGNORECASE), _url),
    # Tried only where a run begins: from every character of a long one it would be quadratic.
    (re.compile(rf"(?<!{_LOCAL}){_LOCAL}++@[\w.-]++"), "[email]"),
    (
        re.compile(
            rf"(?<![a-z])((?:{_SECRET})[\"']?\s{{0,4}}(?:[:=]|->)\s{{0,4}}){_VALUE}", re.IGNORECASE
        ),
        r"\1[secret]",
    ),
    # "password is wrong" is no secret; "password is hunter2" is.
    (
        re.compile(
            rf"(?<![a-z])((?:{_SECRET})\s{{1,4}}(?:is|ist|lautet|est|es)\s{{1,4}})"
            r"(?=\S{0,128}?[\d!#$%&*])\S++",
            re.IGNORECASE,
        ),
        r"\1[secret]",
    ),
    (re.compile(r"\b(bearer\s{1,4})[\w.~+/=-]{8,}+", re.IGNORECASE), r"\1[secret]"),
    (
        re.compile(
            r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}+(?:[ -]?[A-Z0-9]{1,4})?",
            re.IGNORECASE,
        ),
        _iban,
    ),
    (re.compile(r"[A-Za-z0-9_+/=-]{20,}+"), _token),
    (re.compile(r"\b(?:sk|pk|ghp|gho|xox[abp]|AKIA|AIza)[-_]?[A-Za-z0-9]{12,}+"), "[token]"),
    (re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?!\.?\d)"), _address),
    (
        re.compile(r"(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}+[0-9a-f]{0,4}(?![\w:])", re.IGNORECASE),
        _address,
    ),
    (re.compile(r"(?<!\d)[+(]?\d(?:[ ()./-]{0,3}+\d){6,}+"), _number),
)
