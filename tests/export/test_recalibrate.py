"""A bundle is calibrated anew on labelled tickets, each graph for itself, or stays as it is."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from export.card.markdown import with_section
from export.errors import ExportError, GraphError, LabelsRefused, PromisesLost, TargetExists
from export.initialisers import with_calibration
from export.listener import Listener
from export.promised import document
from export.recalibrate import KEY, Wanted, recalibrate
from export.verify import verify
from service.bundles import open_bundle
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
from service.settings import Settings
from tests.export.conftest import DRIFTED, PROMISES, Renewed
from tests.export.tiny import TASKS
from training.calibration.fit import probabilities
from training.calibration.promises import Promises, parse_promises
from training.data.read import read_table
from training.data.sample import write_csv
from training.data.table import Row
from training.errors import ConfigError, DataError, PromiseRefused, TooManyRejects
from training.prepare import Wanted as Column

NAMES = tuple(task.name for task in TASKS)


def edited(bundle: Path, copy: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of the bundle with another manifest, sealed."""
    shutil.copytree(bundle, copy)
    document = json.loads((copy / "manifest.json").read_bytes())
    change(document)
    (copy / "manifest.json").write_text(json.dumps(document), encoding="utf-8")
    (copy / SUMS).unlink()
    seal(copy)
    return copy


def written(path: Path, rows: list[Row], tasks: tuple[str, ...] = NAMES) -> Path:
    write_csv(path, rows, tasks)
    return path


def promises(**tasks: dict[str, Any]) -> Promises:
    return parse_promises(tasks, "the test")


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
    card = (tmp_path / "new" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "Not touched: category." in card


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


def test_labelled_tickets_are_thinned_to_the_shares_of_today(
    promising: Path, drifted_rows: list[Row], labelled: Path, tmp_path: Path
) -> None:
    kept = [
        row for place, row in enumerate(drifted_rows)
        if row.labels["category"] != "billing" or place % 4 == 0
    ]  # fmt: skip
    traffic = written(tmp_path / "today.csv", kept, ())
    wanted = Wanted(labelled, promises=promises(category={"coverage": 0.5}), traffic=traffic)
    made = recalibrate(promising, tmp_path / "new", wanted)
    shift = {one.task: one for one in made.shifts}["category"]
    truth = sum(row.labels["category"] == "billing" for row in kept) / len(kept)
    before, today = shift.shares["billing"]
    assert abs(today - truth) < abs(before - truth) / 2
    assert shift.labelled == 700
    assert shift.kept == made.changes[0].after["n"] < 700
    origin = read_manifest(tmp_path / "new").metrics[KEY]
    assert origin["tickets"]["category"] == shift.kept
    assert origin["traffic"]["shares"]["category"]["billing"] == today
    assert origin["traffic"]["file"] == f"sha256:{file_digest(traffic)}"
    card = (tmp_path / "new" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"| category | billing | {before:.3f} | {today:.3f} |" in card


def test_few_tickets_leave_the_limit_of_the_scope_and_say_so(
    promising: Path, drifted_rows: list[Row], tmp_path: Path
) -> None:
    said: list[str] = []
    path = written(tmp_path / "few.csv", drifted_rows[:90])
    wanted = Wanted(path, promises=promises())
    recalibrate(promising, tmp_path / "new", wanted, listener=Listener(say=said.append))
    (old,), (new,) = (read_manifest(one).variants for one in (promising, tmp_path / "new"))
    assert new.scope == old.scope
    assert "model.fp32.onnx: the limit of the scope stays, for want of tickets" in said


def test_rows_that_are_not_taken_are_counted_and_listed(
    promising: Path, drifted_rows: list[Row], tmp_path: Path
) -> None:
    first = drifted_rows[0]
    twice = replace(first, id="again", labels={"category": "technical", "urgency": "P0"})
    other = replace(first, labels={"category": "billing", "urgency": "P0"})
    strange = replace(drifted_rows[1], labels={"category": "sales"})
    path = written(tmp_path / "l.csv", [other, twice, strange, *drifted_rows[2:]])
    said: list[str] = []
    rejects = tmp_path / "rejects.csv"
    wanted = Wanted(path, promises=promises(), rejects=rejects)
    recalibrate(promising, tmp_path / "new", wanted, listener=Listener(say=said.append))
    assert "l.csv: 699 tickets of 701 rows" in said
    assert any(line.startswith("conflict (blanked): 2") for line in said)
    assert any("must be ones that the model was not trained on" in line for line in said)
    listed = rejects.read_text(encoding="utf-8").splitlines()
    (line,) = (line for line in listed if line.startswith("3,"))
    assert line.endswith(",category,unknown_label,rejected,found 'sales'")
    assert read_manifest(tmp_path / "new").metrics[KEY]["tickets"]["category"] == 698


Refusal = tuple[type[Exception], str]
REFUSALS: dict[str, tuple[Callable[[list[Row]], list[Row]], Promises | None, Refusal]] = {
    "a label without a ticket": (
        lambda rows: [row for row in rows if row.labels["category"] != "billing"],
        None,
        (LabelsRefused, "task category has no ticket labelled billing, and needs one of each"),
    ),
    "too few tickets": (
        lambda rows: rows[:40],
        None,
        (LabelsRefused, "needs at least 50 labelled tickets, found 40"),
    ),
    "a promise that the tickets cannot show": (
        lambda rows: rows,
        promises(category={"precision": 0.999}),
        (PromiseRefused, "precision of 0.999"),
    ),
    "a promise for a task that the bundle lacks": (
        lambda rows: rows,
        promises(queue={"coverage": 0.5}),
        (ConfigError, "promises may name category, urgency, found queue"),
    ),
    "labels that the bundle does not know": (
        lambda rows: [replace(row, labels={"category": "sales"}) for row in rows],
        None,
        (TooManyRejects, "unknown_label"),
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_is_refused_and_leaves_nothing(
    promising: Path, drifted_rows: list[Row], tmp_path: Path, name: str
) -> None:
    change, asked, (kind, message) = REFUSALS[name]
    path = written(tmp_path / "labelled.csv", change(drifted_rows))
    before = bundle_digest(promising)
    with pytest.raises(kind, match=message):
        recalibrate(promising, tmp_path / "out" / "new", Wanted(path, promises=asked))
    assert list(tmp_path.rglob("out/*")) == []
    assert bundle_digest(promising) == before


def test_a_file_without_the_column_of_a_task_is_refused(
    promising: Path, drifted_rows: list[Row], tmp_path: Path
) -> None:
    path = written(tmp_path / "labelled.csv", drifted_rows, ("urgency",))
    with pytest.raises(DataError, match="no column for the task category"):
        recalibrate(promising, tmp_path / "new", Wanted(path))
    (tmp_path / "labelled.txt").write_text("x", encoding="utf-8")
    with pytest.raises(DataError, match="must end in one of"):
        recalibrate(promising, tmp_path / "new", Wanted(tmp_path / "labelled.txt"))


@pytest.mark.parametrize("fixed", [True, False])
def test_the_file_that_the_model_was_trained_on_is_refused(
    promising: Path, drifted_rows: list[Row], tmp_path: Path, fixed: bool
) -> None:
    rows = [*drifted_rows, replace(drifted_rows[0], id="x", body="!", labels={"category": "rare"})]
    path = written(tmp_path / "labelled.csv", rows)
    columns = [Column(task.name, task.labels if fixed else None) for task in TASKS]
    table, _ = read_table(path, columns)
    fingerprint = f"sha256:{table.fingerprint}"
    bundle = edited(
        promising, tmp_path / "bundle", lambda known: known.update(data_fingerprint=fingerprint)
    )
    with pytest.raises(LabelsRefused, match="is the file that the model was trained on"):
        recalibrate(bundle, tmp_path / "new", Wanted(path))


def test_traffic_that_leaves_too_few_labelled_tickets_is_refused(
    promising: Path, drifted_rows: list[Row], tmp_path: Path
) -> None:
    path = written(tmp_path / "labelled.csv", drifted_rows[:80])
    traffic = written(tmp_path / "today.csv", drifted_rows[:1], ())
    with pytest.raises(LabelsRefused, match="brought to the label shares of today's tickets, task"):
        recalibrate(promising, tmp_path / "new", Wanted(path, promises=promises(), traffic=traffic))
    assert not (tmp_path / "new").exists()


def test_an_existing_target_an_unknown_task_and_a_bad_version_are_refused_at_once(
    promising: Path, labelled: Path, tmp_path: Path
) -> None:
    with pytest.raises(TargetExists):
        recalibrate(promising, promising, Wanted(labelled))
    with pytest.raises(ExportError, match="the tasks category, urgency, found queue"):
        recalibrate(promising, tmp_path / "new", Wanted(labelled, tasks=("queue",)))
    with pytest.raises(ExportError, match="a version is 1 to 64"):
        recalibrate(promising, tmp_path / "new", Wanted(labelled), version="a b")
    assert list(tmp_path.iterdir()) == []


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


def test_thresholds_of_which_the_bundle_does_not_say_the_promises_need_a_file(
    promising: Path, labelled: Path, tmp_path: Path
) -> None:
    forgetful = edited(
        promising, tmp_path / "forgetful", lambda known: known["metrics"].pop("promises")
    )
    with pytest.raises(PromisesLost, match="decides category, urgency by thresholds"):
        recalibrate(forgetful, tmp_path / "new", Wanted(labelled))
    wrong = edited(
        promising,
        tmp_path / "wrong",
        lambda known: known["metrics"].update(promises={"category": {"precise": 1}}),
    )
    with pytest.raises(PromisesLost, match=r"category\.precise.*give the promises as a file"):
        recalibrate(wrong, tmp_path / "new", Wanted(labelled))


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


def test_a_graph_without_the_initialiser_or_with_another_size_is_refused(promising: Path) -> None:
    graph = (promising / "model.fp32.onnx").read_bytes()
    one = Calibration(method="none", scale=(1.0,), bias=(0.0,))
    with pytest.raises(GraphError, match="no initialiser queue_scale"):
        with_calibration(graph, {"queue": one})
    with pytest.raises(GraphError, match=r"urgency_scale has the shape \[4\], the calibration 1"):
        with_calibration(graph, {"urgency": one})


def test_a_section_replaces_the_one_of_its_heading_or_stands_before_the_limits() -> None:
    card = "# A\n\n## B\n\nold\n\n## What not to use it for\n\n- x\n"
    assert with_section(card, "## B\n\nnew") == card.replace("old", "new")
    assert with_section(card, "## C\n\nnew") == card.replace("## What", "## C\n\nnew\n\n## What")
    assert with_section("# A\n", "## C\n\nnew") == "# A\n\n## C\n\nnew\n"


def test_promises_survive_the_manifest_exactly() -> None:
    asked = promises(
        category={"costs": {"billing": {"technical": 7.0}, "default": 2.0}, "human": 1.5},
        urgency={"precision": 0.9, "per_label": True, "suggest": 0.5},
    ).model_copy(update={"level": 0.9})
    assert parse_promises(json.loads(json.dumps(document(asked))), "again") == asked
    assert parse_promises(document(PROMISES), "again") == PROMISES
