"""What replies and `GET /shadow` say about the legacies that run in shadow; public, only grows."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.ledger.records import Role

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=0)]
AnswerOutcome = Literal["compared", "dropped", "failed", "late"]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True)


@dataclass(slots=True)
class Disagreement:
    """How often two models' labels differ, over a window of their latest compared answers.

    rate: null before the first answer. n: answers in the window. low, high: the 95 % Wilson
    interval, 0 and 1 before the first answer.
    """

    rate: Share | None
    n: Count
    low: Share
    high: Share


class LegacyAnswer(_Document):
    """What one legacy said to this very ticket, for one task.

    outcome: `compared`, `dropped` (not asked), `failed` (asked in vain) or `late` (no outcome
    within the wait; it is counted when it comes). label: in the words of the bundle that answered,
    null unless compared. confidence: null where the legacy has none. agrees: whether the label is
    the one that the bundle holds most probable, null unless compared; where costs decide, the
    reply may give another. reason: why it was dropped or failed.
    """

    outcome: AnswerOutcome
    label: str | None = None
    confidence: Share | None = None
    agrees: bool | None = None
    reason: str | None = None


@dataclass(slots=True)
class ShadowTask:
    """One legacy beside the bundle that answered, on one task.

    answer: only where the request said `shadow=wait` and the legacy was asked for this task.
    """

    disagreement: Disagreement
    answer: Annotated[LegacyAnswer | None, Field(exclude_if=lambda answer: answer is None)] = None


Standing = dict[str, dict[str, ShadowTask]]
"""By legacy, then by task."""


class LegacyTaskStatus(_Document):
    """What became of one legacy's answers to one task since the start of the service.

    At every moment offered = compared + the sum of dropped + the sum of failed + pending.
    dropped, failed: by reason; a reason that never occurred is missing. disagreed: of compared,
    whichever bundle answered. disagreement: of the pair of models that sits there now, over the
    window.
    """

    offered: Count
    compared: Count
    disagreed: Count
    dropped: dict[str, Count]
    failed: dict[str, Count]
    pending: Count
    disagreement: Disagreement


class Latency(_Document):
    """Milliseconds of a legacy's latest answers, at most 1,000; null before the first one."""

    n: Count
    p50_ms: float | None
    p99_ms: float | None


class LegacyStatus(_Document):
    """One legacy.

    role: `incumbent` is to be replaced by the bundle that answers, `challenger` is to replace it.
    identity: changes with the model behind the name, or with the way it is asked. kind: `bundle`,
    `v2` or `json`. circuit: `closed`, `open` or `half_open`; null where it has no breaker. pending:
    tickets that wait or are being asked. sampled_out: tickets that sampling left out. tasks: those
    that it shares with the bundle that answers, and those it shared with an earlier one.
    """

    name: str
    role: Role
    identity: str
    kind: str
    circuit: str | None
    concurrency: int
    pending: Count
    sampled_out: Count
    latency: Latency
    tasks: dict[str, LegacyTaskStatus]


class NoiseFloor(_Document):
    """How often two legacies differ from each other on one task of the same tickets."""

    task: str
    one: str
    other: str
    disagreement: Disagreement


class ShadowStatus(_Document):
    """The answer of `GET /shadow`.

    sample: share of the tickets that are offered. queue: tickets that may wait for each legacy.
    max_age_s: a ticket that waited longer is dropped. window: compared answers behind each
    disagreement.
    """

    sample: Share
    queue: Count
    max_age_s: float
    window: Count
    legacies: dict[str, LegacyStatus]
    noise: list[NoiseFloor]
