"""A ticket's length and times make a job; jobs that a policy runs together make a call."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Priority = Literal["live", "bulk"]


@dataclass(slots=True, eq=False)
class Job:
    """One ticket. Times in seconds of the simulation; `answered_s` is None until it is answered.

    kind: tells apart what a scenario mixes, such as the short tickets of a flood.
    """

    number: int
    length: int
    arrived_s: float
    deadline_s: float = float("inf")
    priority: Priority = "live"
    kind: str = ""
    started_s: float | None = None
    answered_s: float | None = None
    expired: bool = False


@dataclass(slots=True, eq=False)
class Call:
    """Jobs that one call of the model answers; `left_s` of its work remain.

    wide: runs on every core. express: taken beside the general workers. handle: the policy's own.
    expired: jobs that were found too late to run.
    """

    jobs: Sequence[Job]
    wide: bool = False
    express: bool = False
    handle: object = None
    expired: Sequence[Job] = ()
    left_s: float = 0.0
    started_s: float = 0.0
    alone_s: float = field(default=0.0)

    @property
    def length(self) -> int:
        """Tokens of the longest job."""
        return max(job.length for job in self.jobs)
