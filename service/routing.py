"""A ticket comes in; the whole way to its reply is on this page.

ticket -> text -> tokens -> (engine: batch -> probabilities) -> decision -> reply
"""

import time
from dataclasses import dataclass

from service.api.schema import Prediction, Reply, ScopeReply, Timings
from service.bundle import Bundle
from service.contract.ticket import Ticket, render
from service.contract.tokens import Tokens
from service.decisions import DEFAULT_TOP_K, WantedSet, decide, rounded
from service.engine.answer import Answer, Priority
from service.errors import InvalidTicket

EMPTY = "subject or body must hold text"


@dataclass(slots=True)
class Terms:
    """What the caller asked for beside the ticket itself.

    deadline: on `time.monotonic()`. arrived: on `time.perf_counter()`. Both in seconds.
    waits_for_shadow: the reply shall hold what the legacies say to this very ticket. wanted_set:
    the conformal set to report for each task.
    """

    request_id: str
    deadline: float
    arrived: float
    priority: Priority = "live"
    top_k: int = DEFAULT_TOP_K
    waits_for_shadow: bool = False
    wanted_set: WantedSet | None = None


@dataclass(slots=True)
class Encoded:
    """A ticket's tokens and how many seconds they took to make."""

    tokens: Tokens
    seconds: float


def encode(ticket: Ticket, bundle: Bundle, where: str = "") -> Encoded:
    """The ticket's tokens.

    where: a JSON pointer to the ticket. Raises InvalidTicket where there is no text.
    """
    started = time.perf_counter()
    text = render(ticket.subject, ticket.body)
    if not text:
        raise InvalidTicket("the ticket has no text", ((where, EMPTY),))
    tokens = bundle.tokenizer.encode(text)
    return Encoded(tokens, time.perf_counter() - started)


async def route(ticket: Ticket, encoded: Encoded, bundle: Bundle, terms: Terms) -> Reply:
    """The reply to one ticket.

    Raises what `Engine.submit` raises; the caller holds the bundle's lease.
    """
    answer = await bundle.engine.submit(encoded.tokens, terms.deadline, terms.priority)
    scope = judge_scope(bundle, answer)
    predictions = decide_all(bundle, answer, scope, terms.top_k, terms.wanted_set)
    return Reply(
        request_id=terms.request_id,
        ticket_id=ticket.ticket_id,
        bundle=bundle.name,
        predictions=predictions,
        scope=scope,
        needs_human=needs_human(bundle, predictions, scope),
        truncated=encoded.tokens.truncated,
        degraded=answer.degraded,
        provider=answer.provider,
        shadow=None,
        timings_ms=_timings(encoded, answer, terms),
    )


def judge_scope(bundle: Bundle, answer: Answer) -> ScopeReply | None:
    """Whether the ticket is like those of the training; None where the bundle cannot tell.

    The score is rounded to six decimals before it meets the threshold, as confidences are.
    """
    known = bundle.variant.scope
    if known is None or answer.scope is None:
        return None
    score = rounded(answer.scope)
    return ScopeReply(score, known.threshold, score <= known.threshold)


def decide_all(
    bundle: Bundle,
    answer: Answer,
    scope: ScopeReply | None,
    top_k: int = DEFAULT_TOP_K,
    wanted_set: WantedSet | None = None,
) -> dict[str, Prediction]:
    """The prediction of each task, by the bundle's rules; out of scope a human decides them all."""
    inside = scope is None or scope.inside
    return {
        name: decide(rule, answer.probabilities[name], top_k, wanted_set, inside=inside)
        for name, rule in bundle.rules.items()
    }


def needs_human(
    bundle: Bundle, predictions: dict[str, Prediction], scope: ScopeReply | None = None
) -> bool:
    """Whether some primary task's decision is `human`; auxiliary tasks do not count.

    Out of scope always.
    """
    if scope is not None and not scope.inside:
        return True
    for name in bundle.primary:  # noqa: SIM110 - a generator costs more than what it is asked.
        if predictions[name].decision == "human":
            return True
    return False


def _timings(encoded: Encoded, answer: Answer, terms: Terms) -> Timings:
    """Whole microseconds, as milliseconds."""
    return Timings(
        round(encoded.seconds * 1e6) / 1000,
        round(answer.queue_s * 1e6) / 1000,
        round(answer.infer_s * 1e6) / 1000,
        round((time.perf_counter() - terms.arrived) * 1e6) / 1000,
    )
