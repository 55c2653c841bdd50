"""What an audit found comes in; its findings, the worst first, go out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

_TONES: Mapping[str, Literal["good", "open", "bad"]] = {"fail": "bad", "warn": "open"}


@dataclass(frozen=True)
class Leak:
    """One finding that did not pass."""

    check: str
    about: str
    severity: str
    tone: Literal["good", "open", "bad"]
    said: str
    remedy: str


@dataclass(frozen=True)
class Leakage:
    """passed: how many findings did. other: whether the audit was of other tickets."""

    leaks: tuple[Leak, ...]
    passed: int
    other: bool


def leakage(audit: Mapping[str, Any] | None, fingerprint: str) -> Leakage | None:
    """None where the run was not audited. fingerprint: of the run's tickets."""
    if audit is None:
        return None
    findings = audit["findings"]
    leaks = tuple(
        Leak(
            one["check"],
            one.get("about", ""),
            one["severity"],
            _TONES.get(one["severity"], "open"),
            one["said"],
            one.get("remedy", ""),
        )
        for one in findings
        if one["severity"] != "pass"
    )
    found = audit.get("fingerprint", "")
    other = bool(found) and found.rpartition(":")[2] != fingerprint.rpartition(":")[2]
    return Leakage(leaks, len(findings) - len(leaks), other)
