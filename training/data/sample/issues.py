"""The texts in `topics/` come in; the issues that customers write about go out."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from itertools import accumulate
from random import Random
from typing import Literal

from training.data.sample.grammar import read_blocks

Kind = Literal["fault", "request", "question", "wish"]
Surface = Literal["web", "mobile", "api"]
Tier = Literal["starter", "team", "business", "enterprise"]

_KINDS: tuple[Kind, ...] = ("fault", "request", "question", "wish")


@dataclass(frozen=True)
class Issue:
    """One thing that customers write about, with templates (see `grammar`) for how they put it.

    also: another category that a sensible agent may choose as well, and how often. surfaces: where
    it happens, with weights. enterprise: how much more often enterprise customers have it.
    severity: added to the urgency's score. phrases: what others call it in passing.
    """

    name: str
    category: str
    queue: str
    kind: Kind
    weight: float
    also: tuple[str, float] | None
    surfaces: Mapping[Surface, float]
    enterprise: float
    severity: float
    phrases: tuple[str, ...]
    subjects: tuple[str, ...]
    opens: tuple[str, ...]
    details: tuple[str, ...]
    asks: tuple[str, ...]
    briefs: tuple[str, ...]


@lru_cache(maxsize=1)
def all_issues() -> tuple[Issue, ...]:
    """Every issue, in the order of the file names."""
    folder = resources.files("training.data.sample") / "topics"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".txt")), key=str)
    return tuple(issue for file in files for issue in parse(file.read_text(encoding="utf-8")))


@lru_cache(maxsize=1)
def _weight_sums() -> tuple[float, ...]:
    return tuple(accumulate(issue.weight for issue in all_issues()))


def draw_issue(rng: Random) -> Issue:
    """An issue, as often as its weight says."""
    return rng.choices(all_issues(), cum_weights=_weight_sums())[0]


def parse(text: str) -> list[Issue]:
    """The issues of one file: its first block names category and queue, each other one an issue."""
    head, *blocks = read_blocks(text)
    return [_issue({**head, **block}) for block in blocks]


def _issue(block: Mapping[str, tuple[str, ...]]) -> Issue:
    def one(key: str, default: str) -> str:
        return block.get(key, (default,))[0]

    return Issue(
        name=block["issue"][0],
        category=block["category"][0],
        queue=block["queue"][0],
        kind=next(kind for kind in _KINDS if kind == block["kind"][0]),
        weight=float(one("weight", "1")),
        also=_also(one("also", "")),
        surfaces=_surfaces(one("surfaces", "web 1")),
        enterprise=float(one("tier", "enterprise 1").split()[1]),
        severity=float(one("severity", "0")),
        phrases=block["phrase"],
        subjects=block["subject"],
        opens=block["open"],
        details=block["detail"],
        asks=block["ask"],
        briefs=block["brief"],
    )


def _also(value: str) -> tuple[str, float] | None:
    if not value:
        return None
    category, share = value.split()
    return category, float(share)


def _surfaces(value: str) -> dict[Surface, float]:
    weights: dict[Surface, float] = {}
    known: tuple[Surface, ...] = ("web", "mobile", "api")
    for part in value.split(", "):
        name, weight = part.split()
        weights[next(surface for surface in known if surface == name)] = float(weight)
    return weights
