"""A configuration and the training split come in; the sampler that it names goes out."""

from training.config import BatchConfig
from training.data.dataset import Dataset
from training.sampling.composed import ComposedSampler, composition
from training.sampling.round_robin import RoundRobinSampler
from training.sampling.sampler import Sampler
from training.sampling.shared import ShareSampler, shares


def build_sampler(batch: BatchConfig, dataset: Dataset, seed: int) -> Sampler:
    """Raises DataError where a task has no labelled ticket."""
    tasks = tuple(task.name for task in dataset.tasks)
    window = batch.length_window_steps
    if batch.sampling == "composition":
        counts = composition(batch.composition, tasks, batch.size)
        return ComposedSampler(dataset, counts, seed, window)
    if batch.sampling == "round_robin":
        return RoundRobinSampler(dataset, tasks, batch.size, seed, window)
    labelled = {task: len(dataset.labelled(task)) for task in tasks}
    stated = shares(labelled, batch.sampling, batch.temperature)
    return ShareSampler(dataset, stated, batch.size, seed, window)
