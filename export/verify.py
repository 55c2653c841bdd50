"""A bundle's directory comes in; what was checked, against what, and with what result goes out."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from export.checks import CHECKS, Subject
from export.errors import ExportError, Skipped
from service.contract.errors import ContractError
from service.errors import ServiceError

Status = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True)
class Check:
    """One check: its name, what was compared with what, how it went, and what was found."""

    name: str
    compared: str
    status: Status
    found: str


def verify(directory: Path) -> Iterator[Check]:
    """Makes each check in turn; the first that fails is the last, as the rest stand on it."""
    subject = Subject(directory)
    for name, compared, check in CHECKS:
        try:
            yield Check(name, compared, "passed", check(subject))
        except Skipped as reason:
            yield Check(name, compared, "skipped", str(reason))
        except (ContractError, ServiceError, ExportError) as error:
            yield Check(name, compared, "failed", str(error))
            return
