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
    observed: the mean cost; target: the upper end of what was promised. Tickets that are `auto`
    only because a policy loosened the bundle's thresholds do not count as such.

    low, high: each holds at all looks at once with the promise's level (.95), not at one look only.
    evidence: against the promise; where it holds, the chance that this ever reaches 20 is at most
    1 in 20, however often one looks. broken: it has; then `target` lies outside of low and high.
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

    auto: those of them that were `auto`. labelled_share: of the tickets decided since the oldest of
    the window; a small one says that the labels may be of unusual tickets. unknown: labels that the
    bundle does not have; they count as wrong. bins: the reliability diagram, equally many tickets
    in each. promise: null where the bundle makes none.
    """

    auto: Accuracy
    labelled_share: Share | None
    unknown: Count
    bins: tuple[Bin, ...]
    promise: PromiseStanding | None
