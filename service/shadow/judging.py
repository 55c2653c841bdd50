"""What a legacy said to one task comes in; whether it can be compared, and as what, goes out."""

from collections.abc import Callable
from dataclasses import dataclass

from service.ledger.records import Outcome
from service.shadow.legacy import Said

GIVEN_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Judged:
    """One legacy's outcome on one task, before it meets the reply.

    label: in the words of the bundle that answered; None unless compared. given_label: in the
    legacy's own words, where it said one. confidence: None unless compared, or where it has none.
    """

    outcome: Outcome
    reason: str | None = None
    label: str | None = None
    given_label: str | None = None
    confidence: float | None = None


def judge(said: Said | None, translate: Callable[[str], str | None]) -> Judged:
    """The outcome of one task. said: None where the legacy has no answer to it.

    A label that nobody translated is counted, never guessed; a confidence outside [0, 1], or a
    value of another type, makes the answer `malformed`.
    """
    if said is None:
        return Judged("failed", "missing")
    if not _is_well_formed(said):
        return Judged("failed", "malformed")
    given = said.label[:GIVEN_LENGTH]
    label = translate(said.label)
    if label is None:
        return Judged("failed", "untranslatable", given_label=given)
    return Judged("compared", None, label, given, said.confidence)


def _is_well_formed(said: Said) -> bool:
    # The types are a promise of code that may be anyone's: a legacy must not be able to harm.
    label: object = said.label
    return isinstance(label, str) and (said.confidence is None or _is_share(said.confidence))


def _is_share(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0.0 <= value <= 1.0
