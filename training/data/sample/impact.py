"""An issue and a random generator come in; how much it matters, and sentences that say so, go out.

Urgency follows from what the ticket tells: how many people, whether there is a way around, and by
when. Some sentences use the words of a graver case to tell a mild one ("last week the whole company
had it, today it is only me"), so that the words alone do not give the answer.
"""

from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from math import sqrt
from random import Random
from statistics import NormalDist

from training.data.sample.grammar import read_templates
from training.data.sample.issues import Issue

_Levels = tuple[tuple[str, ...], ...]


@lru_cache
def _levels(facet: str) -> _Levels:
    """The templates of each level of a facet, level 0 first."""
    templates = read_templates("impact")
    return tuple(templates[key] for key in sorted(templates) if key.startswith(f"{facet} "))


# Of each kind: how often each level of scope, block (or need) and deadline occurs.
_FAULT: tuple[Sequence[int], ...] = ((30, 25, 24, 13, 8), (20, 38, 30, 12), (52, 18, 18, 12))
_OTHER: Mapping[str, tuple[Sequence[int], Sequence[int]]] = {
    "request": ((35, 33, 22, 10), (48, 22, 20, 10)),
    "question": ((58, 30, 10, 2), (72, 16, 9, 3)),
    "wish": ((72, 24, 4, 0), (84, 13, 3, 0)),
}
_SCOPE_POINTS = (0.0, 0.4, 1.2, 2.3, 2.7)
_NEED_POINTS = (0.0, 0.6, 1.9, 3.4)
_BLOCK_POINTS = (0.0, 0.7, 2.0, 3.2)
_DEADLINE_POINTS = (0.0, 0.4, 1.4, 2.7)
_NORMAL = NormalDist()
_UNTOLD = {"fault": 1.5, "request": 1.0, "question": 0.3, "wish": 0.0}
"""What a reader assumes, by kind, where the ticket does not say how many or how bad."""


@dataclass(frozen=True)
class Impact:
    """score: about 0 (whenever) to 8 (drop everything). templates: the sentences that tell it."""

    score: float
    templates: tuple[str, ...]


def make_impact(rng: Random, issue: Issue, sentences: int) -> Impact:
    """How much an issue matters. sentences: how many facets the ticket has room to tell, 0 to 3.

    The score counts only what is told: an agent knows no more than the text.
    """
    told = rng.sample(
        _facets(rng, issue, gravity=rng.gauss(0.0, 1.0)), k=3 if issue.kind == "fault" else 2
    )[:sentences]
    points = sum(point for _, point, _ in told)
    if not any(severe for severe, _, _ in told):
        points += _UNTOLD[issue.kind]
    return Impact(points + issue.severity, tuple(template for _, _, template in told))


_Facet = tuple[bool, float, str]
"""Whether it says how bad it is (and not just by when), its points, and a template."""


def _facets(rng: Random, issue: Issue, gravity: float) -> list[_Facet]:
    """The facets of an issue; what is grave in one of them is often grave in the others."""
    if issue.kind == "fault":
        scopes, blocks, deadlines = _FAULT
        return [
            _facet(rng, gravity, "scope", scopes, _SCOPE_POINTS, severe=True),
            _facet(rng, gravity, "block", blocks, _BLOCK_POINTS, severe=True),
            _facet(rng, gravity, "deadline", deadlines, _DEADLINE_POINTS, severe=False),
        ]
    needs, deadlines = _OTHER[issue.kind]
    severity = "need" if issue.kind == "request" else "interest"
    return [
        _facet(rng, gravity, severity, needs, _NEED_POINTS, severe=True),
        _facet(rng, gravity, "deadline", deadlines, _DEADLINE_POINTS, severe=False),
    ]


def _facet(
    rng: Random,
    gravity: float,
    facet: str,
    weights: Sequence[int],
    points: Sequence[float],
    *,
    severe: bool,
) -> _Facet:
    """One facet, with the frequencies of `weights` and a correlation of 0.6 with the others."""
    felt = _NORMAL.cdf(sqrt(0.6) * gravity + sqrt(0.4) * rng.gauss(0.0, 1.0))
    levels = _levels(facet)
    level = min(bisect(list(accumulate(weights)), felt * sum(weights)), len(levels) - 1)
    return severe, points[level], rng.choice(levels[level])
