"""A seed and planted effects come in; cases as the ledger would give them go out."""

from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate

import numpy as np

from service.ledger.records import Case, Role

START = 1_767_571_200.0
"""2026-01-05, a Monday, 00:00 UTC."""
DAY_S = 86_400.0
CHALLENGER, INCUMBENT = "sha256:" + "c" * 64, "sha256:" + "1" * 64
LABELS = ("billing", "technical", "account", "how-to", "privacy", "sales")
SHARES = (0.27, 0.30, 0.16, 0.13, 0.05, 0.09)
QUEUES = ("payments", "support", "success")
LANGUAGES, LANGUAGE_SHARES = ("en", "de", "fr"), (0.7, 0.2, 0.1)
CONFUSED = {"billing": "account", "technical": "how-to", "how-to": "technical"}


@dataclass(frozen=True)
class World:
    """What is true of the simulated desk.

    gap: accuracy of the challenger less that of the incumbent. discordance: tickets of which one
    of the two alone is right. neither: tickets that both have wrong. labelled: share with a final
    label. regression: extra share of billing tickets that the challenger calls technical.
    lost: share of answers dropped or failed; biased: they are the long German ones.
    """

    days: float = 14.0
    tickets_a_day: int = 300
    gap: float = 0.0
    discordance: float = 0.08
    neither: float = 0.06
    labelled: float = 0.6
    regression: float = 0.0
    lost: float = 0.02
    biased: bool = False
    role: Role = "incumbent"
    task: str = "category"


@cache
def simulate(world: World = World(), seed: int = 0) -> tuple[Case, ...]:
    """One case for each ticket, oldest first; the same seed gives the same ones."""
    chance = np.random.default_rng(seed)
    count = round(world.days * world.tickets_a_day)
    times = np.sort(chance.uniform(START, START + world.days * DAY_S, count))
    return tuple(_case(world, chance, number, float(at)) for number, at in enumerate(times))


def _case(world: World, chance: np.random.Generator, number: int, at: float) -> Case:
    truth = _pick(chance, LABELS, SHARES)
    challenger, incumbent = _answers(world, chance, truth)
    language = _pick(chance, LANGUAGES, LANGUAGE_SHARES)
    tokens = int(chance.gamma(2.0, 60.0)) + 3
    odds = world.lost * (8.0 if language == "de" else 0.3) if world.biased else world.lost
    lost = chance.random() < odds
    has_label = chance.random() < world.labelled
    sure = (float(chance.beta(9, 1.3)), float(chance.beta(7, 1.5)))
    primary, legacy = (challenger, incumbent)
    models = (CHALLENGER, INCUMBENT)
    if world.role == "challenger":
        primary, legacy, models = incumbent, challenger, (INCUMBENT, CHALLENGER)
    queue = QUEUES[LABELS.index(truth) % 3]
    return Case(
        decision_id=f"d{number:06}",
        request_id=f"r{number:06}",
        ticket_id=f"{10_000 + number}",
        at=at,
        tokens=tokens,
        language=language,
        metadata={"channel": _pick(chance, ("mail", "web", "chat"), (0.5, 0.35, 0.15))},
        primary=models[0],
        legacy="old-desk",
        identity=models[1],
        role=world.role,
        task=world.task,
        outcome="failed" if lost and number % 3 == 0 else "dropped" if lost else "compared",
        reason="timeout" if lost and number % 3 == 0 else "queue_full" if lost else None,
        primary_label=primary,
        primary_confidence=sure[0],
        legacy_label=None if lost else legacy,
        legacy_confidence=None if lost else sure[1],
        labels={world.task: primary, "queue": queue},
        finals={world.task: truth, "queue": queue} if has_label else {},
        final_label=truth if has_label else None,
        labelled_at=at + float(chance.exponential(3 * 3600.0)) if has_label else None,
        source="agent" if has_label else None,
    )


def _answers(world: World, chance: np.random.Generator, truth: str) -> tuple[str, str]:
    draw = chance.random()
    wins = (world.discordance + world.gap) / 2.0
    wrong = CONFUSED.get(truth) or LABELS[(LABELS.index(truth) + chance.integers(1, 6)) % 6]
    if truth == "billing" and chance.random() < world.regression:
        return "technical", truth
    if draw < wins:
        return truth, wrong
    if draw < world.discordance:
        return wrong, truth
    if draw < world.discordance + world.neither:
        return wrong, wrong if chance.random() < 0.7 else "sales"
    return truth, truth


def turned(cases: Sequence[Case]) -> list[Case]:
    """The same tickets after a promotion: the models have changed seats, nobody said otherwise."""
    return [
        replace(
            case,
            role="challenger" if case.role == "incumbent" else "incumbent",
            primary=case.identity,
            identity=case.primary,
            primary_label=str(case.legacy_label),
            legacy_label=case.primary_label,
            primary_confidence=float(case.legacy_confidence or 0.0),
            legacy_confidence=case.primary_confidence,
        )
        for case in cases
    ]


def untidy(cases: Sequence[Case]) -> list[Case]:
    """Half of the tickets have no id, some of their requests are tried again, some are reviewed."""
    return [
        replace(
            case,
            ticket_id=case.ticket_id if at % 2 else None,
            request_id=cases[at - at % 10].request_id if at % 10 < 4 else case.request_id,
            source="review" if at % 7 == 0 else case.source,
        )
        for at, case in enumerate(cases)
    ]


def _pick(chance: np.random.Generator, values: Sequence[str], shares: Sequence[float]) -> str:
    place = bisect(list(accumulate(shares)), chance.random())
    return values[min(place, len(values) - 1)]
