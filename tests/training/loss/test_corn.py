"""CORN against the paper's questions asked one by one, and its link in a graph."""

import io

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from tests.training.loss.cuts import some, step_loss
from training.data.dataset import UNLABELLED
from training.loss.corn import Corn
from training.loss.corn_link import CornLink
from training.loss.loss import Targets


def asked_one_by_one(conditionals: Tensor, labels_B: Tensor) -> Tensor:
    """The paper's loss: for each question, the tickets that reached it, in a set of their own."""
    known_B = labels_B != UNLABELLED
    conditionals, labels_B = conditionals[known_B], labels_B[known_B]
    sums, questions = conditionals.new_zeros(()), 0
    for place in range(conditionals.shape[1]):
        reached_B = labels_B >= place
        above_B = (labels_B[reached_B] > place).to(conditionals.dtype)
        said_B = conditionals[reached_B, place]
        sums = sums + functional.binary_cross_entropy_with_logits(said_B, above_B, reduction="sum")
        questions += int(reached_B.sum())
    return sums / questions


@pytest.mark.parametrize("classes", [2, 3, 4, 7])
def test_it_is_the_loss_of_the_paper_and_so_is_its_gradient(classes: int) -> None:
    _, labels_B, _ = some(classes, 30)
    slopes = []
    for ask in (
        asked_one_by_one,
        lambda asked, labels: step_loss(
            Corn(torch.ones(classes)), CornLink()(asked), Targets(labels)
        ),
    ):
        conditionals = torch.randn(30, classes - 1, generator=torch.Generator().manual_seed(1))
        conditionals.requires_grad_()
        value = ask(conditionals, labels_B)
        value.backward()
        slopes.append((value.detach(), conditionals.grad))
    torch.testing.assert_close(slopes[1], slopes[0])


def test_the_last_class_is_asked_as_many_questions_as_the_one_before() -> None:
    loss = Corn(torch.ones(4))
    asked = [float(loss.weight(Targets(torch.tensor([label])))) for label in range(4)]
    assert asked == [1.0, 2.0, 3.0, 3.0]


@settings(deadline=None)
@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=9))
def test_the_link_gives_probabilities_that_sum_to_one(said: list[float]) -> None:
    logs_BC = CornLink()(torch.tensor([said]))
    assert logs_BC.shape == (1, len(said) + 1)
    assert float(logs_BC.exp().sum()) == pytest.approx(1.0, abs=1e-5)
    assert bool(torch.isfinite(logs_BC).all())


def test_the_link_is_the_product_of_the_conditionals() -> None:
    conditionals = torch.randn(8, 3, dtype=torch.float64)
    above = torch.sigmoid(conditionals)
    exceeds = torch.cumprod(above, dim=1)
    expected = torch.cat([1 - exceeds[:, :1], exceeds[:, :-1] - exceeds[:, 1:], exceeds[:, -1:]], 1)
    torch.testing.assert_close(CornLink()(conditionals).exp(), expected)


def test_probabilities_of_exceeding_never_rise() -> None:
    shares_BC = CornLink()(4.0 * torch.randn(50, 5)).exp()
    exceeds = shares_BC.flip(1).cumsum(1).flip(1)
    assert bool((exceeds.diff(dim=1) <= 1e-6).all())


@pytest.mark.filterwarnings("ignore")  # What torch's exporter warns of is its own affair.
def test_the_link_in_a_graph_says_what_it_says_in_torch() -> None:
    conditionals = torch.tensor([[-200.0, 3.0, 0.1], [200.0, -90.0, 40.0], [0.0, 0.0, 0.0]])
    stream = io.BytesIO()
    program = torch.onnx.export(
        CornLink(),
        (conditionals,),
        dynamo=True,
        verbose=False,
        opset_version=20,
        dynamic_shapes=({0: torch.export.Dim("batch")},),
    )
    assert program is not None
    program.save(stream)
    session = onnxruntime.InferenceSession(stream.getvalue(), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    found = session.run(None, {name: conditionals[:2].numpy()})[0]
    np.testing.assert_allclose(found, CornLink()(conditionals[:2]).numpy(), rtol=1e-5, atol=1e-5)
