"""Bundles with a ragged graph: opened, proven, and refused with their cause."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from service.contract.bundle import MANIFEST
from service.contract.tokens import Tokens
from service.errors import BundleRefused
from service.opening import open_bundle
from service.settings import Settings
from tests.tiny_bundle import reseal, write_bundle
from tests.tiny_ragged import RAGGED_GRAPH, add_ragged


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A padded one, to which a test adds what it needs."""
    return write_bundle(tmp_path / "bundle")


def _settings(bundle: Path, **changes: object) -> Settings:
    return Settings(**{"bundle": bundle, "provider": "cpu", "sessions": 2, **changes})


@pytest.mark.parametrize("has_offsets", [False, True])
async def test_a_ragged_variant_opens_proves_itself_and_answers_as_the_padded_one(
    bundle: Path, has_offsets: bool
) -> None:
    add_ragged(bundle, has_offsets=has_offsets)
    tokens = Tokens(np.arange(2, 22, dtype=np.int64), truncated=False)
    answers = []
    for layout in ("padded", "ragged"):
        opened = open_bundle(bundle, _settings(bundle, layout=layout))
        assert opened.variant.layout == layout
        async with opened.engine as engine:
            answers.append(await engine.submit(tokens, time.monotonic() + 60.0))
    for name, one in answers[0].probabilities.items():
        np.testing.assert_allclose(answers[1].probabilities[name], one, atol=1e-6)


def test_a_ragged_graph_that_the_bundle_lacks_is_refused(bundle: Path) -> None:
    with pytest.raises(BundleRefused, match="no ragged fp32 graph, only fp32 padded"):
        open_bundle(bundle, _settings(bundle, layout="ragged"))


def _rename_ends(graph: onnx.GraphProto) -> None:
    graph.input[2].name = "lengths"
    for node in graph.node:
        node.input[:] = ["lengths" if name == "cu_seqlens" else name for name in node.input]


def _wide_ends(graph: onnx.GraphProto) -> None:
    graph.input[2].type.tensor_type.elem_type = onnx.TensorProto.INT64


def _mix_neighbours(graph: onnx.GraphProto) -> None:
    """A ticket then also sees the tokens of those behind it."""
    (own,) = (node for node in graph.node if node.op_type == "And")
    own.input[1] = "begun"


FAULTS: list[tuple[Callable[[onnx.GraphProto], None], str]] = [
    (_rename_ends, "must take input_ids, position_ids and cu_seqlens, found input_ids"),
    (_wide_ends, "model.fp32.ragged.onnx: cu_seqlens must be int32, found tensor(int64)"),
    (_mix_neighbours, "golden ticket 0 of golden.fp32.json"),
]


@pytest.mark.parametrize(("damage", "cause"), FAULTS, ids=[damage.__name__ for damage, _ in FAULTS])
def test_a_ragged_graph_that_does_not_keep_the_contract_is_refused(
    bundle: Path, damage: Callable[[onnx.GraphProto], None], cause: str
) -> None:
    add_ragged(bundle)
    model = onnx.load(bundle / RAGGED_GRAPH)
    damage(model.graph)
    onnx.save(model, bundle / RAGGED_GRAPH)
    reseal(bundle)
    assert open_bundle(bundle, _settings(bundle)).variant.layout == "padded"
    with pytest.raises(BundleRefused) as refusal:
        open_bundle(bundle, _settings(bundle, layout="ragged"))
    assert cause in str(refusal.value)


def test_of_two_ragged_graphs_the_one_for_the_provider_is_taken(bundle: Path) -> None:
    add_ragged(bundle, providers=("cuda",))
    with pytest.raises(BundleRefused, match="is for cuda, cpu was asked for"):
        open_bundle(bundle, _settings(bundle, layout="ragged"))
    manifest = json.loads((bundle / MANIFEST).read_text(encoding="utf-8"))
    manifest["variants"].append({**manifest["variants"][-1], "providers": ["cpu"]})
    (bundle / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    reseal(bundle)
    opened = open_bundle(bundle, _settings(bundle, layout="ragged"))
    assert opened.variant.providers == ("cpu",)
