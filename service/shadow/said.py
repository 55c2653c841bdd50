"""Bytes and values of any shape come in from a remote system; only sound answers go out."""

import json
import math
from typing import Any

from service.contract.ticket import clean
from service.shadow.legacy import LegacyFailedError, Said

MAX_LABEL = 200


def parse(content: bytes) -> Any:
    """A reply's JSON (RFC 8259, so no NaN). Raises LegacyFailedError `malformed`."""
    try:
        return json.loads(content, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise malformed("the reply is not JSON") from None


def said(label: object, confidence: object = None) -> Said:
    """The answer to one task.

    label: text of 1 to 200 characters, or a whole number. confidence: a number within [0, 1], or
    None. Raises LegacyFailedError `malformed` on anything else.
    """
    return Said(_label(label), None if confidence is None else share(confidence))


def share(value: object) -> float:
    """A number within [0, 1]. Raises LegacyFailedError `malformed`."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise malformed("a confidence is not a number")
    if not math.isfinite(value) or not 0 <= value <= 1:
        raise malformed("a confidence is outside [0, 1]")
    return float(value)


def malformed(detail: str) -> LegacyFailedError:
    """The failure of a reply that is not what it should be; the detail quotes nothing."""
    return LegacyFailedError("malformed", detail)


def _label(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise malformed("a label is not text")
    if not 0 < len(value) <= MAX_LABEL:
        raise malformed(f"a label must have 1 to {MAX_LABEL} characters")
    return clean(value)


def _refuse(constant: str) -> None:
    raise ValueError(constant)
