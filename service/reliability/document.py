"""What `GET /reliability` says about each task; public, only grows."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=0)]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True)


class Gap(_Document):
    """Expected minus observed accuracy: above zero where the model is too sure.

    low, high: a 95 % interval at one look; of many looks one in twenty misses.
    """

    value: float
    low: float
    high: float


class Accuracy(_Document):
    """Labelled tickets, how many of them should be right, and how many are.

    expected: the mean confidence. observed: the share whose final label was given. All null without
    a ticket.
    """

    n: Count
    expected: Share | None
    observed: Share | None
    gap: Gap | None


class Bin(_Document):
    """A tenth of the tickets, by confidence. low, high: the 95 % Wilson interval of `accuracy`."""

    n: Count
    confidence: Share
    accuracy: Share
    low: Share
    high: Share


class PromiseStanding(_Document):
    """What the bundle promises of a task, and what has become of it.

    precision: `n` labelled tickets that were `auto`; observed: the share that is right. coverage:
    `n` tickets, labelled or not; observed: the share that is `auto`. cost: `n` labelled tickets;
    observed: the mean cost; target: the upper end of what was measured, watched although it was
    promised at no level. Only decisions count that came after the newest one of another policy.

    evidence: against the promise. broken: it has reached 20 (at the level of .95); then `target`
    lies outside of low and high. While decisions fill the window, the chance that this ever happens
    to a promise that holds is at most 1 in 20, however often one looks; once the window slides, at
    most that at every moment: over 20 windows' worth of labels it happened, for moments, in 5 % of
    the simulated runs at a target of .97 and in 15 % at .9. The same goes for low and high.
    """

    kind: Literal["precision", "coverage", "cost"]
    target: float
    n: Count
    observed: float | None
    low: float
    high: float
    evidence: float
    broken: bool


class TaskReliability(Accuracy):
    """One task over the window's labelled tickets.

    auto: those of them that were `auto`. labelled_share: of the decisions between the first and the
    last of these tickets, how many have a label; a small one says that the labels may be of unusual
    tickets. cut: the search for labels ended at its bound, and an older one may be missing here.
    unknown: labels that the bundle does not have; they count as wrong. bins: the reliability
    diagram, equally many tickets in each. promise: null where the bundle makes none, or a policy
    leaves none or loosens it.
    """

    auto: Accuracy
    labelled_share: Share | None
    cut: bool = False
    unknown: Count
    bins: tuple[Bin, ...]
    promise: PromiseStanding | None
