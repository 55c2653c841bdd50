"""A run's directory comes in; its test tickets go out, with their texts where these are still to be
had.
"""

import json
from pathlib import Path

from training.checkpoint import Facts
from training.conclude import CHECKPOINT
from training.config import RunConfig, read_config
from training.data.read import read_table
from training.data.split import read_splits
from training.data.table import Table
from training.errors import TrainingError
from training.prepare import ORIGIN, SPLIT_FILE, Wanted
from training.report.errors import Tickets, common_words
from training.run import CONFIG


def read_tickets(directory: Path, facts: Facts) -> Tickets | None:
    """None where the run left no list of its splits.

    Texts are read only from the very tickets that the run read, by their fingerprint.
    """
    if not (directory / SPLIT_FILE).exists():
        return None
    splits = read_splits(directory / SPLIT_FILE)
    ids = tuple(one for one, split in splits.items() if split == "test")
    try:
        table = _table(directory, facts)
    except (TrainingError, OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        return Tickets(ids, missing=f"The tickets' texts are not shown: {reason}.")
    test = {row.id: row for row in table.rows if splits.get(row.id) == "test"}
    training = (row for row in table.rows if splits.get(row.id) == "train")
    return Tickets(ids, test, common_words(training))


def _table(directory: Path, facts: Facts) -> Table:
    config = _config(directory)
    if config.data.stream:
        raise TrainingError("the run streamed them, and they may be more than memory holds")
    data = Path(json.loads((directory / ORIGIN).read_text(encoding="utf-8"))["data"])
    if not data.exists():
        raise TrainingError("their file is no longer where the run read it")
    wanted = [Wanted(name, task.labels) for name, task in config.tasks.items()]
    table, _ = read_table(data, wanted, max_reject_share=1.0)
    if f"sha256:{table.fingerprint}" != facts.data_fingerprint:
        raise TrainingError("their file has changed since the run read it")
    return table


def _config(directory: Path) -> RunConfig:
    return read_config(directory / CHECKPOINT / CONFIG)
