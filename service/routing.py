"""A ticket comes in; the whole way to its reply is on this page.

ticket -> text -> tokens -> (engine: batch -> probabilities) -> decision -> reply
"""

import time
from dataclasses import dataclass

from service.api.schema import BundleName, Prediction, Reply, Timings
from service.bundles import Bundle
from service.contract.ticket import Ticket, render
from service.contract.tokens import Tokens
from service.decisions import DEFAULT_TOP_K, decide
from service.engine.answer import Answer
from service.engine.engine import Priority
from service.errors import InvalidTicket

EMPTY = "subject or body must hold text"


@dataclass(frozen=True, slots=True)
class Terms:
    """What the caller asked for beside the ticket itself.

    deadline: on `time.monotonic()`. arrived: on `time.perf_counter()`. Both in seconds.
    waits_for_shadow: the reply shall hold what the legacies say to this very ticket.
    """

    request_id: str
    deadline: float
    arrived: float
    priority: Priority = "live"
    top_k: int = DEFAULT_TOP_K
    waits_for_shadow: bool = False


@dataclass(frozen=True, slots=True)
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
    predictions = {
        task.name: decide(
            task,
            answer.probabilities[task.name],
            bundle.variant.thresholds.get(task.name),
            terms.top_k,
        )
        for task in bundle.tasks
    }
    return Reply(
        request_id=terms.request_id,
        ticket_id=ticket.ticket_id,
        bundle=BundleName(version=bundle.manifest.version, digest=bundle.digest),
        predictions=predictions,
        needs_human=needs_human(bundle, predictions),
        truncated=encoded.tokens.truncated,
        degraded=bundle.degraded,
        provider=bundle.provider,
        shadow=None,
        timings_ms=_timings(encoded, answer, terms),
    )


def needs_human(bundle: Bundle, predictions: dict[str, Prediction]) -> bool:
    """Whether some primary task's decision is `human`; auxiliary tasks do not count."""
    primary = (task.name for task in bundle.tasks if task.role == "primary")
    return any(predictions[name].decision == "human" for name in primary)


def _timings(encoded: Encoded, answer: Answer, terms: Terms) -> Timings:
    total_s = time.perf_counter() - terms.arrived
    seconds = (encoded.seconds, answer.queue_s, answer.infer_s, total_s)
    tokenize, queue, infer, total = (round(value * 1000, 3) for value in seconds)
    return Timings(tokenize=tokenize, queue=queue, infer=infer, total=total)
