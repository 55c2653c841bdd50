"""A checkpoint and the file of tickets it was trained on come in; the tickets of its calibration
split go out.
"""

from pathlib import Path

import numpy as np

from export.errors import WrongCheckpoint
from training.checkpoint import Checkpoint
from training.config import RunConfig
from training.data.dataset import Dataset, encode_rows
from training.data.read import read_table
from training.data.split import group_rows, split_by_group, split_by_time
from training.data.table import Table
from training.prepare import Wanted

SPLIT = "calibration"


def calibration_tickets(checkpoint: Checkpoint, path: Path) -> Dataset:
    """The tickets whose predictions the checkpoint keeps, in the same order, read and split as
    training did it.

    Raises WrongCheckpoint where the file is another one, or the split comes out otherwise, and
    DataError.
    """
    known = checkpoint.predictions.get(SPLIT)
    if known is None:
        raise WrongCheckpoint(
            "a variant is calibrated on the calibration split, of which this checkpoint of an "
            "older Harbor holds no predictions: train anew, or recalibrate the bundle"
        )
    config = checkpoint.config
    if config.data.stream:
        raise WrongCheckpoint(
            "the run streamed its tickets, and they are not split again here: build without "
            "tickets and recalibrate the bundle"
        )
    table = _read(config, path)
    if (found := f"sha256:{table.fingerprint}") != checkpoint.facts.data_fingerprint:
        raise WrongCheckpoint(
            f"{path.name} has the fingerprint {found}, the checkpoint was trained on "
            f"{checkpoint.facts.data_fingerprint}"
        )
    assignment = _assigned(config, table)
    rows = [row for row in table.rows if assignment[row.id] == SPLIT]
    tickets = encode_rows(rows, checkpoint.tasks, checkpoint.tokenizer)
    for task in checkpoint.tasks:
        if not np.array_equal(tickets.labels(task.name), known.labels[task.name]):
            raise WrongCheckpoint(
                f"{path.name} splits into other tickets than the run's: {len(tickets)} to "
                f"calibrate on, the checkpoint has {len(known)}"
            )
    return tickets


def _read(config: RunConfig, path: Path) -> Table:
    wanted = [Wanted(name, task.labels) for name, task in config.tasks.items()]
    votes = {name: task.votes for name, task in config.tasks.items() if task.votes}
    limit = config.data.max_reject_share
    return read_table(path, wanted, max_reject_share=limit, votes=votes)[0]


def _assigned(config: RunConfig, table: Table) -> dict[str, str]:
    data, groups = config.data, group_rows(table)
    if data.split == "time":
        return split_by_time(table, data.shares, groups)
    return split_by_group(table, data.shares, data.split_seed, groups, data.fold)
