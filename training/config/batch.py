"""What a run says of how batches are drawn and cut."""

from typing import Literal

from service.contract.tasks import TaskName
from training.config.section import Count, Positive, Section

REFERENCE_COMPOSITION = {"category": 12, "urgency": 10, "queue": 10}

Sampling = Literal[
    "composition", "proportional", "temperature", "sqrt", "round_robin", "oversample"
]


class BatchConfig(Section):
    """size: tickets a step. sampling: how they are shared out among the tasks.

    `composition`: the same counts in every batch, from the key of that name. The others draw each
    ticket's task: `proportional` to the labelled tickets of a task, `temperature` to their power
    `temperature`, `sqrt` to their root, `round_robin` one batch a task in turn, `oversample`
    equally often, so that the scarce task repeats.

    composition: of `size`, how many are drawn for each task's labels. A task that it leaves out
    gets the mean of the others; the counts are scaled to `size`. It may name tasks of the run only;
    of the reference's own, those that the run lacks are left out. length_window_steps: batches are
    sorted by length within so many steps. accumulate: passes that a step's batch is cut into.
    budget_tokens: most padded tokens in one pass; a batch with more is cut into more passes.
    """

    size: Count = 32
    sampling: Sampling = "composition"
    composition: dict[TaskName, Count] = REFERENCE_COMPOSITION
    temperature: Positive = 0.75
    length_window_steps: Count = 50
    accumulate: Count = 1
    budget_tokens: Count | None = None
