"""The benchmark of one pass against one a task measures the same answers on both sides."""

from pathlib import Path

import numpy as np

from service.engine.session import Session
from tests.benchmarks import one_pass


def test_a_graph_with_one_head_answers_as_the_one_with_all(sealed: Path, tmp_path: Path) -> None:
    subject = one_pass.of_bundle(sealed)
    together = Session.open(subject.graph, subject.tasks, "cpu", threads=1)
    ids_BL = np.arange(12, dtype=np.int64).reshape(2, 6)
    mask_BL = np.ones_like(ids_BL)
    for task in subject.tasks:
        single = one_pass.alone(subject, task, tmp_path)
        assert single.outputs == (f"{task.name}_probabilities",)
        expected = together.run(ids_BL, mask_BL).probabilities[task.name]
        found = single.run(ids_BL, mask_BL).probabilities[task.name]
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_every_shape_is_measured(sealed: Path, tmp_path: Path) -> None:
    costs = one_pass.measure(one_pass.of_bundle(sealed), tmp_path, ((1, 4), (3, 8)), rounds=3)
    assert [(cost.batch, cost.length) for cost in costs] == [(1, 4), (3, 8)]
    assert all(min(cost.together_s, cost.apart_s, cost.ratio) > 0 for cost in costs)
