"""What a ticket is comes in; the labels that an agent gives, and those that stay empty, go out."""

from dataclasses import dataclass
from random import Random

from training.data.sample.issues import Issue, Surface, Tier, all_issues

CATEGORIES = tuple(sorted({issue.category for issue in all_issues()}))
QUEUES = ("developer", "enterprise", "mobile", "payments", "platform", "success", "trust", "web")
URGENCIES = ("P0", "P1", "P2", "P3")

COVERAGE = {"category": 35 / 40, "urgency": 28 / 40, "queue": 22 / 40}
"""The share of tickets that carry a label, by task."""

_LIMITS = (4.4, 2.4, 0.9)
"""Scores from which a ticket is P0, P1, P2."""

_MOBILE = frozenset({"technical", "performance", "account-access", "feature-request", "how-to"})
_KEY_ACCOUNTS = frozenset(
    {
        "billing",
        "cancellation",
        "sales",
        "how-to",
        "feature-request",
        "data-transfer",
        "performance",
    }
)


@dataclass(frozen=True)
class Agent:
    """One agent's habits.

    bias: added to the urgency's score. spread: its noise. default_share: how often P2, the form's
    default, is left as it stands. slip_share: how often category or queue is a wrong click.
    """

    bias: float
    spread: float
    default_share: float
    slip_share: float


AGENTS = (
    Agent(0.0, 0.3, 0.02, 0.02),
    Agent(-0.5, 0.4, 0.05, 0.03),
    Agent(0.6, 0.4, 0.02, 0.03),
    Agent(0.1, 0.4, 0.25, 0.05),
    Agent(-0.2, 0.3, 0.00, 0.02),
    Agent(0.8, 0.5, 0.10, 0.06),
    Agent(-0.8, 0.4, 0.05, 0.03),
    Agent(0.2, 0.3, 0.05, 0.02),
)


def make_labels(
    rng: Random, issue: Issue, surface: Surface, tier: Tier, score: float
) -> dict[str, str]:
    """The labels that one agent of the desk gives; each is missing as often as COVERAGE says."""
    agent = rng.choice(AGENTS)
    labels = {
        "category": _category(rng, agent, issue),
        "urgency": _urgency(rng, agent, score),
        "queue": _queue(rng, agent, issue, surface, tier),
    }
    return {task: label for task, label in labels.items() if rng.random() < COVERAGE[task]}


def _category(rng: Random, agent: Agent, issue: Issue) -> str:
    if rng.random() < agent.slip_share:
        return rng.choice(CATEGORIES)
    if issue.also and rng.random() < issue.also[1]:
        return issue.also[0]
    return issue.category


def _urgency(rng: Random, agent: Agent, score: float) -> str:
    if rng.random() < agent.default_share:
        return "P2"
    felt = score + rng.gauss(agent.bias, agent.spread)
    return next(
        (label for label, limit in zip(URGENCIES, _LIMITS, strict=False) if felt >= limit), "P3"
    )


def _queue(rng: Random, agent: Agent, issue: Issue, surface: Surface, tier: Tier) -> str:
    if rng.random() < agent.slip_share:
        return rng.choice(QUEUES)
    return owner(issue, surface, tier)


def owner(issue: Issue, surface: Surface, tier: Tier) -> str:
    """The team that owns a ticket: by the customer's tier, then its surface, then its issue."""
    if tier == "enterprise" and issue.category in _KEY_ACCOUNTS:
        return "enterprise"
    if surface == "mobile" and issue.category in _MOBILE:
        return "mobile"
    if surface == "api" and issue.category not in {"security", "privacy"}:
        return "developer"
    return issue.queue
