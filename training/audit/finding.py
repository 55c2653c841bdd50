"""A figure and the limits that it may reach come in; a finding of the audit goes out."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["fail", "warn", "pass"]
SEVERITIES: tuple[Severity, ...] = ("fail", "warn", "pass")
"""From the worst on."""


@dataclass(frozen=True)
class Finding:
    """What one check found of one thing.

    check: its name, such as `label from label`. about: of which task or tasks. figure: what the
    severity was decided on, with its 95 % interval where one is known. said: a sentence without a
    ticket's text. remedy: what to do; empty where nothing is to be done.
    """

    check: str
    about: str
    severity: Severity
    figure: float
    said: str
    remedy: str = ""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Audit:
    """What was found in a file of tickets, the worst first."""

    data: str
    fingerprint: str
    tickets: int
    findings: tuple[Finding, ...]

    @property
    def status(self) -> int:
        """The exit status for CI: 1 where any check failed, else 0."""
        return int(any(finding.severity == "fail" for finding in self.findings))

    def counts(self) -> dict[Severity, int]:
        """Findings by severity."""
        found = [finding.severity for finding in self.findings]
        return {severity: found.count(severity) for severity in SEVERITIES}

    def document(self) -> dict[str, Any]:
        """As plain data, for `audit.json`."""
        return {
            "data": self.data,
            "fingerprint": self.fingerprint,
            "tickets": self.tickets,
            "counts": dict(self.counts()),
            "findings": [asdict(finding) for finding in self.findings],
        }


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """In the order of SEVERITIES, otherwise as they were given."""
    return tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))


def graded(figure: float, limits: Mapping[Severity, float]) -> Severity:
    """The worst severity whose limit the figure reaches; `pass` where it reaches none."""
    reached = [one for one in SEVERITIES if one in limits and figure >= limits[one]]
    return reached[0] if reached else "pass"


def percent(share: float) -> str:
    """A share in a sentence, such as `12.3 %`."""
    return f"{share:.1%}".replace("%", " %")
