"""A desk's past tickets and decisions come in; an offline shadow of them is in the ledger."""

from service.shadow.replay.job import Replay
from service.shadow.replay.run import replay
from service.shadow.replay.summary import Summary, TaskSummary, render

__all__ = ["Replay", "Summary", "TaskSummary", "render", "replay"]
