"""A routed ticket and a legacy come together in an errand: what is to be asked, what came of it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from service.contract.ticket import Ticket
from service.ledger.records import Comparison, Role
from service.shadow.documents import LegacyAnswer
from service.shadow.judging import Judged


@dataclass(slots=True)
class Asked:
    """A routed ticket, as the legacies are asked about it.

    predictions: per task the most probable label and its confidence. primary: digest of the bundle
    that answered. at: of the decision, in seconds since the epoch.
    """

    decision_id: str
    ticket: Ticket
    predictions: Mapping[str, tuple[str, float]]
    primary: str
    at: float


@dataclass(slots=True, eq=False)
class Errand:
    """One ticket on its way to one legacy.

    legacy, identity, role: of the legacy as it was when the ticket was offered. tasks: that both
    answer. since: when it was offered, on the runner's clock. open: until it has an outcome.
    answers: per task, once there is an outcome. done: resolved then, where a caller waits.
    """

    asked: Asked
    legacy: str
    identity: str
    role: Role
    tasks: tuple[str, ...]
    since: float
    open: bool = True
    answers: dict[str, LegacyAnswer] = field(default_factory=dict)
    done: asyncio.Future[None] | None = None

    @property
    def pair(self) -> tuple[str, str]:
        """The two models: digest of the bundle that answered, identity of the legacy."""
        return self.asked.primary, self.identity

    def differs(self, task: str, judged: Judged) -> bool:
        """Whether a compared label is not the most probable one; False unless it was compared."""
        return judged.outcome == "compared" and judged.label != self.asked.predictions[task][0]

    def answer(self, task: str, judged: Judged) -> LegacyAnswer:
        """What a caller who waits is told about one task."""
        return LegacyAnswer(
            outcome=judged.outcome,
            label=judged.label,
            confidence=judged.confidence,
            agrees=not self.differs(task, judged) if judged.outcome == "compared" else None,
            reason=judged.reason,
        )

    def comparison(
        self, task: str, judged: Judged, now: float, seconds: float | None
    ) -> Comparison:
        """What the ledger keeps. now: on the runner's clock. seconds: that the legacy took."""
        return Comparison(
            decision_id=self.asked.decision_id,
            # The decision's own time plus what has passed: a wall clock that is set meanwhile
            # cannot put the answer before the question.
            at=self.asked.at + (now - self.since),
            legacy=self.legacy,
            identity=self.identity,
            role=self.role,
            task=task,
            outcome=judged.outcome,
            reason=judged.reason,
            label=judged.label,
            given_label=judged.given_label,
            confidence=judged.confidence,
            seconds=seconds,
        )
