"""A bundle is calibrated anew on labelled tickets, each graph for itself, or stays as it is."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from export.errors import GraphError
from export.initialisers import read_spread, spread_values
from export.listener import Listener
from export.plan import Wanted
from export.recalibrate import KEY, recalibrate
from export.verify import verify
from service.contract.bundle import (
    SUMS,
    Calibration,
    bundle_digest,
    file_digest,
    read_manifest,
    seal,
)
from service.contract.errors import BundleError
from service.errors import BundleRefused
from service.opening import open_bundle
from service.settings import Settings
from tests.export.conftest import DRIFTED, Renewed
from tests.export.desk import NAMES, edited, promises, written
from tests.export.tiny import TRUTH, tiny_tickets
from training.calibration.fit import probabilities
from training.checkpoint import load
from training.data.table import Row
from training.errors import PromiseRefused


def test_the_new_calibration_is_that_of_the_tickets(renewed: Renewed) -> None:
    (variant,) = read_manifest(renewed.directory).variants
    logits_NC = np.random.default_rng(0).normal(size=(200, 3))
    found = probabilities(logits_NC, variant.calibration["category"])
    truth = probabilities(logits_NC, DRIFTED["category"])
    assert np.abs(found - truth).mean() < 0.05
    category, urgency = renewed.made.changes
    assert (category.task, category.file) == ("category", "model.fp32.onnx")
    assert category.after["nll"] < category.before["nll"] - 0.1
    assert category.better
    assert urgency.after["nll"] == pytest.approx(urgency.before["nll"], abs=0.02)


def test_nothing_of_the_graph_changes_but_scale_and_bias(promising: Path, renewed: Renewed) -> None:
    old, new = (onnx.load(path / "model.fp32.onnx") for path in (promising, renewed.directory))
    (variant,) = read_manifest(renewed.directory).variants
    changed = set()
    for before, after in zip(old.graph.initializer, new.graph.initializer, strict=True):
        if before != after:
            changed.add(after.name)
            before.CopyFrom(after)
    assert changed == {f"{name}_{kind}" for name in NAMES for kind in ("scale", "bias")}
    assert old == new
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in new.graph.initializer}
    for name in NAMES:
        known = variant.calibration[name]
        np.testing.assert_array_equal(stored[f"{name}_scale"], np.float32(known.scale))
        np.testing.assert_array_equal(stored[f"{name}_bias"], np.float32(known.bias))


def test_the_service_opens_the_new_bundle_and_every_check_of_verify_passes(
    renewed: Renewed,
) -> None:
    opened = open_bundle(renewed.directory, Settings(bundle=renewed.directory, provider="cpu"))
    assert opened.digest == renewed.made.digest == bundle_digest(renewed.directory)
    assert {check.status for check in verify(renewed.directory)} <= {"passed", "skipped"}


def test_the_manifest_says_from_what_and_on_what(
    promising: Path, labelled: Path, renewed: Renewed
) -> None:
    old, new = read_manifest(promising), read_manifest(renewed.directory)
    assert new.version == renewed.made.version
    assert new.version.startswith(f"{old.version}+r")
    assert len(new.version) == len(old.version) + len("+r") + 8
    assert new.metrics[KEY] == {
        "from": bundle_digest(promising),
        "file": f"sha256:{file_digest(labelled)}",
        "tickets": {"category": 700, "urgency": 700},
    }
    assert new.metrics["tasks"] == old.metrics["tasks"]
    assert new.metrics["checkpoint"] == old.metrics["checkpoint"]
    assert new.data_fingerprint == old.data_fingerprint
    assert new.variants[0].quality["category"]["n"] == 700
    assert new.variants[0].quality["category"] == renewed.made.changes[0].after
    for path in renewed.directory.iterdir():
        assert str(labelled).encode() not in path.read_bytes()


def test_the_promises_of_the_old_bundle_are_shown_anew(promising: Path, renewed: Renewed) -> None:
    (old,), (new,) = (read_manifest(path).variants for path in (promising, renewed.directory))
    for before, after in ((old.thresholds[name], new.thresholds[name]) for name in NAMES):
        assert before.promise is not None
        assert after.promise is not None
        assert (after.promise.kind, after.promise.target) == (
            before.promise.kind,
            before.promise.target,
        )
        assert before.promise.evidence.tickets == 800
        assert after.promise.evidence.tickets == 700
        assert after != before
    manifest = read_manifest(renewed.directory)
    assert manifest.metrics["promises"] == read_manifest(promising).metrics["promises"]
    assert {rule.tickets for rule in new.sets["category"]} == {700}


def test_the_scope_is_set_anew_on_the_labelled_tickets(promising: Path, renewed: Renewed) -> None:
    (old,), (new,) = (read_manifest(path).variants for path in (promising, renewed.directory))
    assert old.scope is not None
    assert new.scope is not None
    assert (old.scope.tickets, new.scope.tickets) == (800, 700)
    assert new.scope.method == old.scope.method
    assert new.scope.kept >= 0.99


def test_the_card_tells_of_the_recalibration_and_of_the_promises_of_now(
    promising: Path, renewed: Renewed
) -> None:
    card = (renewed.directory / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card.startswith(f"# Harbor bundle {renewed.made.version}\n")
    assert card.count("\n## Automation\n") == 1
    assert "\n## Recalibrated\n" in card
    assert bundle_digest(promising) in card
    assert "Seen on 700 labelled tickets" in card
    assert "Seen on 800 labelled tickets" not in card
    assert "| model.fp32.onnx | category | 700 | temperature_bias |" in card
    assert card.index("## Recalibrated") < card.index("## What not to use it for")


def test_the_old_bundle_stays_and_the_same_input_gives_the_same_bytes(
    promising: Path, labelled: Path, renewed: Renewed, tmp_path: Path
) -> None:
    before = {path.name: path.read_bytes() for path in promising.iterdir()}
    recalibrate(promising, tmp_path / "again", Wanted(labelled))
    assert {path.name: path.read_bytes() for path in promising.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["again"]
    for path in renewed.directory.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.slow
def test_a_recalibrated_bundle_can_be_recalibrated_again(
    renewed: Renewed, labelled: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    wanted = Wanted(labelled, promises=promises(urgency={"coverage": 0.6}))
    made = recalibrate(
        renewed.directory, tmp_path / "new", wanted, "desk-7", Listener(say=said.append)
    )
    manifest = read_manifest(tmp_path / "new")
    assert manifest.version == made.version == "desk-7"
    assert manifest.metrics[KEY]["from"] == renewed.made.digest
    assert manifest.metrics["promises"] == {"urgency": {"coverage": 0.6}}
    assert manifest.variants[0].thresholds.keys() == {"urgency"}
    assert "task category loses its promise: every answer will be `human`" in said
    card = (tmp_path / "new" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "**category** makes no promise: every answer is `human`." in card
    assert card.count("## Recalibrated") == 1


@pytest.mark.slow
def test_random_labels_are_spread_and_without_them_the_graph_is_as_it_was(
    promising: Path, full_directory: Path, labelled: Path, renewed: Renewed, tmp_path: Path
) -> None:
    noisy = {
        **TRUTH,
        "category": Calibration(method="truth", scale=(5.0,) * 3, bias=(9.0, 3.3, 0.0), spread=0.2),
    }
    rows = tiny_tickets(load(full_directory).network, 700, 12, noisy)
    wanted = Wanted(written(tmp_path / "noisy.csv", rows), promises=promises())
    recalibrate(promising, tmp_path / "noisy", wanted)
    (variant,) = read_manifest(tmp_path / "noisy").variants
    assert variant.calibration["category"].spread == pytest.approx(0.2, abs=0.07)
    assert variant.calibration["urgency"].spread == 0.0
    graph = onnx.load(tmp_path / "noisy" / "model.fp32.onnx")
    assert read_spread(graph, "category") == spread_values(variant.calibration["category"])
    assert {check.status for check in verify(tmp_path / "noisy")} <= {"passed", "skipped"}
    recalibrate(tmp_path / "noisy", tmp_path / "again", Wanted(labelled))
    after, before = (
        (path / "model.fp32.onnx").read_bytes() for path in (tmp_path / "again", renewed.directory)
    )
    assert after == before


def test_a_task_that_is_left_out_keeps_what_it_has(
    promising: Path, drifted_rows: list[Row], tmp_path: Path
) -> None:
    path = written(tmp_path / "urgency.csv", drifted_rows, ("urgency",))
    recalibrate(promising, tmp_path / "new", Wanted(path, tasks=("urgency",)))
    (old,), (new,) = (read_manifest(one).variants for one in (promising, tmp_path / "new"))
    for part in ("calibration", "thresholds", "sets", "quality"):
        assert getattr(new, part)["category"] == getattr(old, part)["category"]
        assert getattr(new, part)["urgency"] != getattr(old, part)["urgency"]
    assert read_manifest(tmp_path / "new").metrics["promises"] == {
        "category": {"precision": 0.9, "suggest": 0.7},
        "urgency": {"coverage": 0.5},
    }
    # The evidence for what category promises was seen within the old limit.
    assert new.scope == old.scope
    card = (tmp_path / "new" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "Not touched: category." in card
    assert "- model.fp32.onnx: the limit of the scope stays: what the other tasks promise" in card


@pytest.mark.slow
def test_every_variant_is_calibrated_for_itself(
    promising: Path, labelled: Path, tmp_path: Path
) -> None:
    def second(document: dict[str, Any]) -> None:
        other = {**document["variants"][0], "file": "model.int8.onnx", "precision": "int8"}
        other["golden"] = "golden.int8.json"
        other["tolerance"] = 0.99  # Its golden answers are still those of the other graph.
        document["variants"].append(other)

    bundle = tmp_path / "two"
    shutil.copytree(promising, tmp_path / "draft")
    model = onnx.load(promising / "model.fp32.onnx")
    (bias,) = (
        one for one in model.graph.initializer if one.name == "network.heads.category.1.bias"
    )
    moved = numpy_helper.to_array(bias) + np.array([1.0, 0.0, -1.0], dtype=np.float32)
    bias.CopyFrom(numpy_helper.from_array(moved, bias.name))
    onnx.save(model, tmp_path / "draft" / "model.int8.onnx")
    shutil.copyfile(promising / "golden.fp32.json", tmp_path / "draft" / "golden.int8.json")
    edited(tmp_path / "draft", bundle, second)
    made = recalibrate(bundle, tmp_path / "new", Wanted(labelled))
    first, other = (variant.calibration["category"] for variant in made.variants)
    # What its biases differ by makes up for what the graph's own were moved by.
    gap = np.subtract(first.bias, other.bias)
    np.testing.assert_allclose(gap, first.scale[0] * np.array([1.0, 0.0, -1.0]), atol=0.1)
    assert {one.file for one in made.changes} == {"model.fp32.onnx", "model.int8.onnx"}
    settings = Settings(bundle=tmp_path / "new", provider="cpu", precision="int8")
    assert open_bundle(tmp_path / "new", settings).variant.precision == "int8"
    assert "### By model.int8.onnx" in (tmp_path / "new" / "MODEL_CARD.md").read_text()


def test_a_promise_that_the_tickets_cannot_show_is_refused_and_nothing_is_left(
    promising: Path, drifted_rows: list[Row], tmp_path: Path
) -> None:
    path, before = written(tmp_path / "few.csv", drifted_rows[:90]), bundle_digest(promising)
    wanted = Wanted(path, promises=promises(category={"precision": 0.999}))
    with pytest.raises(PromiseRefused, match=r"precision of 0\.999"):
        recalibrate(promising, tmp_path / "out" / "new", wanted)
    assert list(tmp_path.rglob("out/*")) == []
    assert bundle_digest(promising) == before


def test_a_damaged_bundle_is_refused(promising: Path, labelled: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(promising, tmp_path / "bundle"))
    content = bytearray((bundle / "model.fp32.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / "model.fp32.onnx").write_bytes(content)
    with pytest.raises(BundleError, match=r"model\.fp32\.onnx differs from its digest"):
        recalibrate(bundle, tmp_path / "new", Wanted(labelled))


def test_a_bundle_that_does_not_answer_as_on_the_day_of_its_export_is_refused(
    promising: Path, labelled: Path, tmp_path: Path
) -> None:
    bundle = edited(promising, tmp_path / "bundle", lambda _: None)
    golden = json.loads((bundle / "golden.fp32.json").read_bytes())
    golden["tickets"][0]["probabilities"]["category"].reverse()
    (bundle / "golden.fp32.json").write_text(json.dumps(golden), encoding="utf-8")
    (bundle / SUMS).unlink()
    seal(bundle)
    with pytest.raises(BundleRefused, match="golden ticket 0"):
        recalibrate(bundle, tmp_path / "new", Wanted(labelled))


@pytest.mark.slow
def test_a_failure_at_the_last_moment_leaves_nothing(
    promising: Path, labelled: Path, tmp_path: Path
) -> None:
    def fail(name: str, _: int) -> None:
        if name == "opening the bundle as the service does":
            assert len(list(tmp_path.iterdir())) == 1
            raise GraphError("planted")

    with pytest.raises(GraphError, match="planted"):
        recalibrate(promising, tmp_path / "new", Wanted(labelled), listener=Listener(stage=fail))
    assert list(tmp_path.iterdir()) == []
