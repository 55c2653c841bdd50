"""What is run before the first ticket."""

from service.engine.batcher import Limits
from service.engine.warm_up import warm_up_shapes


def test_a_gpu_runs_the_largest_shape_first() -> None:
    shapes = warm_up_shapes("cuda", Limits(max_batch=32, budget_tokens=2048), 256)
    assert shapes == [(8, 256), (1, 256), (32, 16), (1, 16)]


def test_a_cpu_runs_no_more_tokens_than_a_long_ticket_has() -> None:
    shapes = warm_up_shapes("cpu", Limits(max_batch=32), 512)
    assert shapes == [(1, 16), (2, 32), (1, 256)]


def test_no_batch_is_larger_than_those_that_serve() -> None:
    shapes = warm_up_shapes("cpu", Limits(max_batch=1), 128)
    assert {batch for batch, _ in shapes} == {1}
    assert max(length for _, length in shapes) == 128
