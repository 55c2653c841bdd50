"""Past tickets come in; what the bundle decides, and how the desk's rules compare, goes out."""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from functools import partial

from service.bundle import Bundle
from service.contract.ticket import render
from service.contract.tokens import Tokens
from service.decisions import told
from service.engine.answer import Answer
from service.ledger.language import declared, detected
from service.ledger.records import Decision, FinalLabel, Record, Role, Told
from service.routing import decide_all, judge_scope
from service.shadow.errand import Asked, Errand
from service.shadow.judging import judge
from service.shadow.replay.rules import Rules
from service.shadow.replay.summary import Summary
from service.shadow.replay.tickets import PastTicket
from service.shadow.translation import Translation

_PATIENCE_S = 3600.0
_EXCERPT = 400


class Desk:
    """A bundle beside the rules of a desk, while the bundle's engine is open."""

    def __init__(
        self,
        bundle: Bundle,
        rules: Rules,
        translation: Translation,
        side: tuple[str, str, Role],
        summary: Summary,
    ) -> None:
        """side: the rules' name, identity and role. summary: counts what becomes of tickets."""
        self._bundle, self._rules, self._translation = bundle, rules, translation
        self._name, self._identity, self._role = side
        self._summary = summary
        self._labels = {task.name: frozenset(task.labels) for task in bundle.tasks}

    async def decide(self, tickets: Sequence[PastTicket], now: float) -> list[Record]:
        """The decisions with their comparisons. now: stands in where a ticket has no time.

        Raises what `Engine.submit` raises.
        """
        tokens = [self._bundle.tokenizer.encode(_text(past)) for past in tickets]
        deadline = time.monotonic() + _PATIENCE_S
        answers = await asyncio.gather(
            *(self._bundle.engine.submit(one, deadline, "bulk") for one in tokens)
        )
        records: list[Record] = []
        for past, encoded, answer in zip(tickets, tokens, answers, strict=True):
            decision = self._decision(past, encoded, answer, now)
            records += [decision, *self._comparisons(past, decision)]
        self._summary.tickets += len(tickets)
        return records

    def final_labels(self, tickets: Sequence[PastTicket]) -> list[FinalLabel]:
        """The tickets' final labels, by ticket id."""
        labels = [
            FinalLabel(task, label, ticket_id=past.id)
            for past in tickets
            for task, label in past.finals.items()
        ]
        for label in labels:
            if (found := self._summary.tasks.get(label.task)) is not None:
                found.unknown += label.label not in self._labels[label.task]
        return labels

    def _decision(self, past: PastTicket, tokens: Tokens, answer: Answer, now: float) -> Decision:
        bundle = self._bundle
        made = decision_id(bundle.digest, past.id)
        return Decision(
            id=made,
            request_id=made,
            ticket_id=past.id,
            at=now if past.at is None else past.at,
            bundle_version=bundle.manifest.version,
            bundle_digest=bundle.digest,
            tokens=len(tokens),
            truncated=tokens.truncated,
            predictions=tuple(self._told(answer)),
            language=declared(past.metadata) or detected(_text(past)[:_EXCERPT]),
            metadata=past.metadata,
        )

    def _told(self, answer: Answer) -> list[Told]:
        said = decide_all(self._bundle, answer, judge_scope(self._bundle, answer), top_k=1)
        return [told(name, one) for name, one in said.items()]

    def _comparisons(self, past: PastTicket, decision: Decision) -> list[Record]:
        """How the rules compare, as the runner would have it of a legacy."""
        best = {one.task: one.best for one in decision.predictions}
        asked = Asked(decision.id, past.ticket, best, decision.bundle_digest, decision.at)
        errand = Errand(asked, self._name, self._identity, self._role, self._rules.tasks, 0.0)
        said = self._rules.said(past.id)
        records: list[Record] = []
        for task in errand.tasks:
            judged = judge(said.get(task), partial(self._translation, task))
            account = self._summary.tasks[task].account
            account.offer()
            account.close(judged.outcome, judged.reason, errand.differs(task, judged))
            records.append(errand.comparison(task, judged, now=0.0, seconds=None))
        return records


def decision_id(bundle: str, ticket_id: str) -> str:
    """The same for the same bundle and ticket, so that a second replay adds nothing."""
    return "replay-" + hashlib.sha256(f"{bundle}\0{ticket_id}".encode()).hexdigest()[:32]


def _text(past: PastTicket) -> str:
    return render(past.ticket.subject, past.ticket.body)
