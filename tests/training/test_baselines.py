"""The baselines stand whatever the texts are."""

import numpy as np

from service.contract.tasks import Task
from training.baselines import BagOfWords


def test_texts_that_share_no_word_still_give_a_baseline() -> None:
    texts = [f"w{number}" for number in range(250)]
    task = Task(name="a", labels=("x", "y"))
    scores = BagOfWords(texts).scores(task, np.arange(250) % 2, texts[:3])
    assert scores.argmax(axis=1).tolist() == [0, 1, 0]
