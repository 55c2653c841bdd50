"""A checkpoint becomes a bundle: whole, clean and always the same, or not at all."""

import datetime as dt
import re
import shutil
import socket
from pathlib import Path

import pytest

from export.build import build
from export.errors import ExportError, GraphError, TargetExists, WrongCheckpoint
from export.listener import Listener
from export.sealing import beside, place
from export.verify import verify
from service.contract.bundle import bundle_digest, read_manifest, seal
from service.opening import open_bundle
from service.settings import Settings
from tests.export.conftest import PROMISES, Rebuilt, Renewed
from tests.export.tiny import CALIBRATION, LIMIT, METRICS, TASKS
from training.calibration.promises import parse_promises
from training.checkpoint import Checkpoint, load
from training.errors import CheckpointError, ConfigError, PromiseRefused

FILES = {
    "MODEL_CARD.md", "SHA256SUMS", "golden.fp32.json", "manifest.json", "model.fp32.onnx",
    "tokenizer.json",
}  # fmt: skip


def test_the_bundle_holds_what_the_design_lists_and_the_service_opens_it(sealed: Path) -> None:
    assert {path.name for path in sealed.iterdir()} == FILES
    opened = open_bundle(sealed, Settings(bundle=sealed, provider="cpu"))
    assert opened.tasks == TASKS
    assert opened.digest == bundle_digest(sealed)


def test_the_manifest_says_what_the_checkpoint_learned(
    sealed: Path, checkpoint: Checkpoint
) -> None:
    manifest = read_manifest(sealed)
    (variant,) = manifest.variants
    assert manifest.version == "ckpt-" + checkpoint.digest.removeprefix("sha256:")[:12]
    assert (manifest.tasks, manifest.token_limit, manifest.encoder) == (TASKS, LIMIT, "tiny")
    assert manifest.data_fingerprint == checkpoint.facts.data_fingerprint
    assert (variant.precision, variant.layout, variant.providers) == (
        "fp32",
        "padded",
        ("cpu", "cuda"),
    )
    assert variant.calibration == CALIBRATION
    assert variant.quality == checkpoint.facts.quality
    assert variant.thresholds == {}
    assert manifest.metrics["tasks"] == METRICS["tasks"]
    assert manifest.metrics["parity"]["passed"] is True


@pytest.mark.slow
def test_the_same_checkpoint_gives_the_same_bytes_but_for_the_version(
    sealed: Path, rebuilt: Rebuilt
) -> None:
    first, second = (read_manifest(path).version for path in (sealed, rebuilt.directory))
    for name in sorted(FILES - {"SHA256SUMS"}):
        again = (rebuilt.directory / name).read_bytes().replace(second.encode(), first.encode())
        assert again == (sealed / name).read_bytes(), name


@pytest.mark.parametrize("kind", ["sealed", "promising", "renewed", "carded"])
def test_no_file_names_a_path_a_machine_a_user_or_a_day(
    checkpoint_directory: Path, labelled: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    made = request.getfixturevalue(kind)
    bundle = made.directory if isinstance(made, Renewed) else made
    today = dt.datetime.now(dt.UTC).date()
    places = (bundle, checkpoint_directory, labelled, Path.home(), Path(__file__).parent)
    days = (today.isoformat(), f"{today:%Y%m%d}")
    traces = [
        *map(str, places),
        bundle.parent.name,
        labelled.name,
        socket.gethostname(),
        *days,
        "site-packages",
    ]
    # Random weights hold any two or three letters somewhere.
    traces = [trace for trace in traces if len(trace) > 4]
    for path in bundle.iterdir():
        content = path.read_bytes()
        for trace in traces:
            assert trace.encode() not in content, (path.name, trace)


def test_every_file_can_be_read_by_the_user_that_serves(sealed: Path) -> None:
    assert sealed.stat().st_mode & 0o055 == 0o055
    assert all(path.stat().st_mode & 0o044 for path in sealed.iterdir())


def test_the_card_tells_origin_quality_and_limits_in_plain_words(
    sealed: Path, checkpoint: Checkpoint
) -> None:
    card = (sealed / "MODEL_CARD.md").read_text(encoding="utf-8")
    for fact in (
        "| category | primary | nominal | 3 | billing, technical, a\\|ccount |",
        "| urgency | auxiliary | ordinal | 4 | P0, P1, P2, P3 |",
        "| tickets | 900 train, 120 validation, 120 calibration, 120 test |",
        "| task | train | test |",
        "| urgency | 450 | 60 |",
        "| category | TF-IDF + logistic regression | 120 | 0.801 |",
        "| category | most frequent label | 120 | 0.321 |",
        "| urgency | vector | 0.310 | 0.310 | 0.123 | 0.040 |",
        "1046 texts of 2 to 32 tokens",
        "**category** makes no promise: every answer is `human`.",
        "What not to use it for",
        "harbor-export verify",
        checkpoint.digest,
        checkpoint.facts.data_fingerprint,
    ):
        assert fact in card


def test_an_existing_target_is_refused_before_anything_is_read(
    sealed: Path, tmp_path: Path
) -> None:
    before = bundle_digest(sealed)
    with pytest.raises(TargetExists, match="a sealed bundle never changes"):
        build(tmp_path / "no-such-checkpoint", sealed)
    assert bundle_digest(sealed) == before


def test_a_failing_gate_leaves_nothing_behind(checkpoint_directory: Path, tmp_path: Path) -> None:
    def fail(name: str, _: int) -> None:
        if name == "exporting the graph":
            assert len(list(tmp_path.iterdir())) == 1
            raise GraphError("planted")

    with pytest.raises(GraphError, match="planted"):
        build(checkpoint_directory, tmp_path / "bundle", listener=Listener(stage=fail))
    assert list(tmp_path.iterdir()) == []


def test_a_version_that_no_manifest_can_hold_is_refused_at_once(
    checkpoint_directory: Path, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match="a version is 1 to 64"):
        build(checkpoint_directory, tmp_path / "bundle", version="a version/with a path")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    with pytest.raises(CheckpointError, match="not a whole checkpoint"):
        build(tmp_path / "checkpoint", tmp_path / "bundle")


def test_a_build_that_comes_second_leaves_the_first_ones_bundle(
    sealed: Path, tmp_path: Path
) -> None:
    target = tmp_path / "bundle"
    with beside(target) as fresh:
        for name in FILES - {"SHA256SUMS"}:
            shutil.copyfile(sealed / name, fresh / name)
        target.mkdir()
        (target / "first").write_text("")
        with pytest.raises(TargetExists, match="made by another build"):
            place(fresh, target)
    assert [path.name for path in tmp_path.rglob("*")] == ["bundle", "first"]


def test_a_place_that_cannot_hold_a_bundle_is_named(
    checkpoint_directory: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="cannot hold a bundle"):
        build(checkpoint_directory, tmp_path / "file" / "bundle")


@pytest.mark.parametrize("content", ["{}", "[]", "", "nonsense: ["])
def test_a_sealed_checkpoint_of_other_content_is_refused(
    checkpoint_directory: Path, tmp_path: Path, content: str
) -> None:
    for name in ("checkpoint.json", "model.safetensors", "tokenizer.json"):
        copy = Path(shutil.copytree(checkpoint_directory, tmp_path / f"of-{name}"))
        (copy / name).write_text(content)
        seal(copy)
        with pytest.raises(CheckpointError, match="not a whole checkpoint"):
            build(copy, tmp_path / "bundle")


def test_a_promise_is_kept_in_the_manifest_with_its_evidence(
    promising: Path, full_directory: Path
) -> None:
    checkpoint, manifest = load(full_directory), read_manifest(promising)
    (variant,) = manifest.variants
    assert variant.calibration == checkpoint.calibration
    category, urgency = variant.thresholds["category"], variant.thresholds["urgency"]
    assert category.promise is not None
    assert urgency.promise is not None
    assert (category.promise.kind, category.promise.target) == ("precision", 0.9)
    assert (urgency.promise.kind, urgency.promise.target) == ("coverage", 0.5)
    assert category.promise.evidence.tickets == 800
    assert category.suggest < category.auto
    assert {rule.method for rule in variant.sets["urgency"]} == {"lac", "aps"}
    assert variant.scope is not None
    assert variant.scope.tickets == 800
    assert manifest.metrics["promises"] == {
        "category": {"precision": 0.9, "suggest": 0.7},
        "urgency": {"coverage": 0.5},
    }


def test_a_bundle_with_promises_has_a_version_of_its_own_and_passes_every_check(
    promising: Path, full_directory: Path
) -> None:
    version = read_manifest(promising).version
    own = "ckpt-" + bundle_digest(full_directory).removeprefix("sha256:")[:12]
    assert re.fullmatch(rf"{own}\+p[0-9a-f]{{8}}", version)
    assert {check.status for check in verify(promising)} <= {"passed", "skipped"}


def test_a_promise_that_cannot_be_shown_refuses_the_whole_build(
    full_directory: Path, tmp_path: Path
) -> None:
    asked = parse_promises({"category": {"precision": 0.999}}, "the test")
    with pytest.raises(PromiseRefused, match=r"task category: a precision of 0\.999"):
        build(full_directory, tmp_path / "bundle", promises=asked)
    unknown = parse_promises({"queue": {"coverage": 0.5}}, "the test")
    with pytest.raises(ConfigError, match="promises may name category, urgency, found queue"):
        build(full_directory, tmp_path / "bundle", promises=unknown)
    assert list(tmp_path.iterdir()) == []


def test_promises_need_a_checkpoint_with_predictions(
    checkpoint_directory: Path, tmp_path: Path
) -> None:
    with pytest.raises(WrongCheckpoint, match="holds none: train anew, or build without promises"):
        build(checkpoint_directory, tmp_path / "bundle", promises=PROMISES)
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_whose_calibration_is_not_that_of_its_split_is_refused(
    full_directory: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(full_directory, tmp_path / "checkpoint"))
    facts = load(copy).facts
    other = facts.model_copy(update={"calibration": CALIBRATION})
    (copy / "checkpoint.json").write_text(other.model_dump_json(), encoding="utf-8")
    seal(copy)
    with pytest.raises(WrongCheckpoint, match="task category: the checkpoint is calibrated by"):
        build(copy, tmp_path / "bundle")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_what_the_calibration_split_does_not_suffice_for_is_said(
    few_directory: Path, tmp_path: Path
) -> None:
    said: list[str] = []

    def fail(name: str, _: int) -> None:
        if name == "exporting the graph":
            raise GraphError("planted")

    with pytest.raises(GraphError, match="planted"):
        build(few_directory, tmp_path / "bundle", listener=Listener(fail, say=said.append))
    assert [line for line in said if "to be out of scope" in line] == said
    assert len(said) == 1
