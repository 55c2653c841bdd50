"""Batches that do not fit are halved; every ticket keeps its answer."""

import numpy as np
import pytest

from service.engine.fitting import REMEMBER_S, Fitting
from service.engine.layout import Layout, lay_out
from service.engine.outputs import Outputs
from service.engine.trouble import DeviceLost, OutOfMemory
from service.errors import InferenceFailed
from tests.service.engine.faulty import Faulty
from tests.service.engine.sessions import TASK, Clock, expected, ticket

LAYOUTS: tuple[Layout, ...] = ("padded", "ragged")


class Counted(Fitting):
    """Counts what did not fit."""

    def __init__(self) -> None:
        self.retries = 0
        self.clock = Clock()
        super().__init__(self._count, self.clock)

    def _count(self) -> None:
        self.retries += 1


def _run(fitting: Fitting, session: Faulty, count: int, layout: Layout = "padded") -> Outputs:
    tickets = [ticket(2 + mark % 5, mark) for mark in range(count)]
    outputs = fitting.run(session, lay_out(tickets, layout, 0))
    for mark, row in enumerate(outputs.probabilities[TASK.name]):
        np.testing.assert_array_equal(row, expected(mark))
    assert len(outputs.probabilities[TASK.name]) == count
    return outputs


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("most", "count"), [(1, 7), (3, 32), (5, 11), (31, 32)])
def test_a_batch_that_does_not_fit_is_answered_in_parts(
    most: int, count: int, layout: Layout
) -> None:
    fitting, session = Counted(), Faulty(most)
    outputs = _run(fitting, session, count, layout)
    assert outputs.calls > 1
    assert outputs.provider == "cuda"
    assert fitting.retries > 0
    ran = [shape for shape in session.calls if shape[0] <= most]
    assert sum(shape[0] for shape in ran) == count


def test_a_batch_that_fits_is_one_call() -> None:
    fitting, session = Counted(), Faulty(8)
    assert _run(fitting, session, 8).calls == 1
    assert (fitting.retries, len(session.calls)) == (0, 1)


def test_what_did_not_fit_is_remembered_for_a_while_and_then_tried_again() -> None:
    fitting, session = Counted(), Faulty(4)
    _run(fitting, session, 16)
    retries = fitting.retries
    session.calls.clear()
    _run(fitting, session, 16)
    assert fitting.retries == retries
    assert max(shape[0] for shape in session.calls) <= 4
    fitting.clock.now_s += REMEMBER_S
    session.most = 100
    assert _run(fitting, session, 16).calls == 1


def test_a_single_ticket_that_does_not_fit_fails() -> None:
    fitting = Counted()
    with pytest.raises(OutOfMemory):
        _run(fitting, Faulty(0), 4)
    assert fitting.retries == 2


def test_other_failures_are_not_tried_again() -> None:
    session = Faulty()
    session.dead = True
    with pytest.raises(DeviceLost):
        _run(Counted(), session, 4)
    assert len(session.calls) == 1


def test_scope_scores_stay_with_their_tickets() -> None:
    class Scoped(Faulty):
        has_scope = True

        def _run(self, ids_BL: np.ndarray, shape: tuple[int, ...]) -> Outputs:
            outputs = super()._run(ids_BL, shape)
            return Outputs(outputs.probabilities, ids_BL[:, 0].astype(np.float32))

    outputs = _run(Counted(), Scoped(3), 10)
    assert outputs.scope_B is not None
    assert outputs.scope_B.tolist() == [float(mark) for mark in range(10)]


def test_a_part_without_its_scope_score_is_found_out() -> None:
    class Forgetful(Faulty):
        def _run(self, ids_BL: np.ndarray, shape: tuple[int, ...]) -> Outputs:
            outputs = super()._run(ids_BL, shape)
            scope_B = ids_BL[:, 0].astype(np.float32) if ids_BL[0, 0] == 0 else None
            return Outputs(outputs.probabilities, scope_B)

    outputs = _run(Counted(), Forgetful(2), 4)
    with pytest.raises(InferenceFailed):
        outputs.check((TASK,), 4, has_scope=True)
