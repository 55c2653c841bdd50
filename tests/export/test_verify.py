"""`verify` explains every check of a good bundle, and names the one that a bad bundle fails."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from export.build import GRAPH
from export.checks import CHECKS
from export.verify import Check, verify
from service.contract.bundle import SUMS, seal

Document = dict[str, Any]


def edit(bundle: Path, name: str, change: Callable[[Document], None]) -> None:
    """Changes a JSON file of the bundle and seals it anew: only later checks can see it."""
    document = json.loads((bundle / name).read_bytes())
    change(document)
    (bundle / name).write_text(json.dumps(document), encoding="utf-8")
    reseal(bundle)


def edit_initializer(bundle: Path, name: str, by: float) -> None:
    model = onnx.load(bundle / "model.fp32.onnx")
    (tensor,) = (entry for entry in model.graph.initializer if entry.name == name)
    array = numpy_helper.to_array(tensor)
    # Not the same for all classes: softmax would not notice.
    moved = array + by * np.arange(array.shape[0]).reshape(-1, *[1] * (array.ndim - 1))
    tensor.CopyFrom(numpy_helper.from_array(moved.astype(array.dtype), name))
    onnx.save(model, bundle / "model.fp32.onnx")
    reseal(bundle)


def reseal(bundle: Path) -> None:
    (bundle / SUMS).unlink()
    seal(bundle)


def last(bundle: Path) -> Check:
    """The check that failed; everything before it passed."""
    *before, failed = verify(bundle)
    assert {check.status for check in before} <= {"passed", "skipped"}
    assert failed.status == "failed"
    return failed


def test_a_good_bundle_passes_every_check_and_each_says_what_it_compared(sealed: Path) -> None:
    checks = list(verify(sealed))
    assert [check.name for check in checks] == [name for name, _, _ in CHECKS]
    assert {check.name for check in checks if check.status != "passed"} <= {"golden, CUDA"}
    assert all(check.compared and check.found for check in checks)


@pytest.mark.parametrize(
    "name", ["model.fp32.onnx", "manifest.json", "tokenizer.json", "golden.fp32.json"]
)
def test_a_flipped_bit_fails_the_digests(bundle: Path, name: str) -> None:
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / name).write_bytes(content)
    assert (last(bundle).name, last(bundle).found) == (
        "digests",
        f"{name} differs from its digest in SHA256SUMS",
    )


def test_a_missing_and_an_added_file_fail_the_digests(bundle: Path) -> None:
    (bundle / "notes.txt").write_text("x", encoding="utf-8")
    assert "notes.txt" in last(bundle).found
    (bundle / "notes.txt").unlink()
    (bundle / "MODEL_CARD.md").unlink()
    assert "MODEL_CARD.md" in last(bundle).found


def test_an_unknown_field_fails_the_manifest(bundle: Path) -> None:
    edit(bundle, "manifest.json", lambda manifest: manifest.update(extra=1))
    assert last(bundle).name == "manifest"


def test_another_text_template_fails_the_text(bundle: Path) -> None:
    edit(bundle, "manifest.json", lambda manifest: manifest.update(text_template=99))
    assert last(bundle).name == "text"


@pytest.mark.parametrize("kind", ["padding", "truncation"])
def test_padding_or_truncation_of_its_own_fails_the_tokenizer(bundle: Path, kind: str) -> None:
    edit(bundle, "tokenizer.json", lambda tokenizer: tokenizer.update({kind: {"length": 128}}))
    assert last(bundle).name == "tokenizer"


def test_labels_in_another_order_fail_the_graph(bundle: Path) -> None:
    edit(bundle, "manifest.json", lambda manifest: manifest["tasks"][0]["labels"].reverse())
    assert last(bundle).name == "graph"
    assert "harbor.tasks" in last(bundle).found


def test_another_calibration_in_the_manifest_fails_the_calibration(bundle: Path) -> None:
    def warmer(manifest: Document) -> None:
        manifest["variants"][0]["calibration"]["urgency"]["scale"][2] = 0.81

    edit(bundle, "manifest.json", warmer)
    assert last(bundle).name == "calibration"
    assert "urgency" in last(bundle).found


def test_another_weight_fails_the_golden_tickets(bundle: Path) -> None:
    edit_initializer(bundle, "network.heads.category.1.bias", 0.01)
    assert last(bundle).name == "golden, CPU"
    assert "category" in last(bundle).found


def test_a_tokenizer_with_swapped_words_fails_the_golden_tickets(bundle: Path) -> None:
    def swap(tokenizer: Document) -> None:
        vocabulary = tokenizer["model"]["vocab"]
        vocabulary["e"], vocabulary["t"] = vocabulary["t"], vocabulary["e"]

    edit(bundle, "tokenizer.json", swap)
    assert last(bundle).name == "golden, CPU"


def test_probabilities_that_do_not_follow_from_the_logits_fail_the_wiring(bundle: Path) -> None:
    model = onnx.load(bundle / "model.fp32.onnx")
    (add,) = (node for node in model.graph.node if node.name == "urgency_calibrated")
    add.input[0] = "urgency_logits"
    onnx.save(model, bundle / "model.fp32.onnx")
    reseal(bundle)
    assert last(bundle).name == "wiring"


def test_a_scope_score_is_found_and_passes_every_check(promising: Path) -> None:
    assert "scope_score" in {entry.name for entry in onnx.load(promising / GRAPH).graph.output}
    assert {check.status for check in verify(promising)} <= {"passed", "skipped"}


def test_a_scope_score_that_hangs_on_its_company_fails(promising: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(promising, tmp_path / "bundle"))
    model = onnx.load(bundle / GRAPH)
    (score,) = (node for node in model.graph.node if node.output[0] == "scope_score")
    score.output[0] = "alone"
    # Too little for the golden tickets, whose check allows a thousandth.
    model.graph.initializer.append(
        numpy_helper.from_array(np.array([9e-4], dtype=np.float32), "little")
    )
    model.graph.node.extend(
        [
            helper.make_node("ReduceMin", ["alone"], ["least"], keepdims=1),
            helper.make_node("Mul", ["least", "little"], ["share"]),
            helper.make_node("Add", ["alone", "share"], ["scope_score"]),
        ]
    )
    onnx.save(model, bundle / GRAPH)
    reseal(bundle)
    assert last(bundle).name == "company"
    assert "scope_score" in last(bundle).found


@pytest.mark.parametrize("content", ["", "[]", '{"padding": '])
def test_a_sealed_tokenizer_that_is_none_fails_its_check(bundle: Path, content: str) -> None:
    (bundle / "tokenizer.json").write_text(content, encoding="utf-8")
    seal(bundle)
    last = list(verify(bundle))[-1]
    assert (last.name, last.status) == ("tokenizer", "failed")
