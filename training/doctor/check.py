"""What a check measured comes in; one line of the doctor's list goes out."""

from dataclasses import asdict, dataclass
from typing import Any

from training.audit.finding import Severity


@dataclass(frozen=True)
class Check:
    """One item of the checklist.

    name: of the item. verdict: `pass`, `warn` or `fail`. figure: what was measured, in a few
    characters; empty where nothing could be. said: the finding in a sentence, without a ticket's
    text. why: why it matters. remedy: what to do; empty where nothing is to be done.
    """

    name: str
    verdict: Severity
    figure: str
    said: str
    why: str
    remedy: str = ""

    def document(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def check(
    name: str, verdict: Severity, figure: str, said: str, why: str, remedy: str = ""
) -> Check:
    """A check whose remedy is kept only where it did not pass."""
    return Check(name, verdict, figure, said, why, "" if verdict == "pass" else remedy)


def status(checks: list[Check]) -> int:
    """The exit status for CI: 1 where any check failed, else 0."""
    return int(any(one.verdict == "fail" for one in checks))
