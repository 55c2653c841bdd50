"""Disagreements come in; the few that a report shows go out, with text where it is kept."""

from collections.abc import Callable, Mapping, Sequence

from service.ledger.records import Case
from service.shadow.findings.disagreement import differs
from service.shadow.findings.document import Disagreement
from service.shadow.review import choose

Texts = Callable[[Sequence[str]], Mapping[str, tuple[str, str]]]
"""Redacted (subject, body) by decision id, of those whose text was kept."""

MAX_TOP, MAX_REVIEW = 20, 20
MAX_SUBJECT, MAX_EXCERPT = 120, 280


def no_texts(_: Sequence[str]) -> Mapping[str, tuple[str, str]]:
    """For a ledger that keeps no text."""
    return {}


def top(cases: Sequence[Case], texts: Texts = no_texts) -> tuple[Disagreement, ...]:
    """The disagreements of compared cases on which both models are surest."""
    apart = sorted(filter(differs, cases), key=lambda case: (-_sureness(case), case.decision_id))
    return _shown(apart[:MAX_TOP], texts)


def review(cases: Sequence[Case], texts: Texts = no_texts) -> tuple[Disagreement, ...]:
    """The beginning of the review queue."""
    return _shown(choose(cases, MAX_REVIEW), texts)


def confidences(case: Case) -> tuple[float | None, float | None]:
    """Of the incumbent, then of the challenger."""
    both = (case.legacy_confidence, case.primary_confidence)
    return both if case.role == "incumbent" else (both[1], both[0])


def _sureness(case: Case) -> float:
    known = [one for one in confidences(case) if one is not None]
    return min(known)


def _shown(cases: Sequence[Case], texts: Texts) -> tuple[Disagreement, ...]:
    kept = texts([case.decision_id for case in cases]) if cases else {}
    return tuple(_document(case, kept.get(case.decision_id)) for case in cases)


def _document(case: Case, text: tuple[str, str] | None) -> Disagreement:
    incumbent, challenger = confidences(case)
    return Disagreement(
        decision_id=case.decision_id,
        request_id=case.request_id,
        ticket_id=case.ticket_id,
        at=case.at,
        incumbent=str(case.incumbent_label),
        challenger=str(case.challenger_label),
        incumbent_confidence=incumbent,
        challenger_confidence=challenger,
        final_label=case.final_label,
        subject=None if text is None else _cut(text[0], MAX_SUBJECT),
        excerpt=None if text is None else _cut(text[1], MAX_EXCERPT),
    )


def _cut(text: str, most: int) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= most else plain[: most - 1].rstrip() + "…"
