"""The command line: a bundle, a table of checks, or one clear line where something fails."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from export.cli import app
from service.contract.bundle import bundle_digest, read_manifest
from tests.export.conftest import Rebuilt


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.slow
def test_build_writes_the_bundle_and_reports_parity(rebuilt: Rebuilt) -> None:
    assert rebuilt.result.exit_code == 0, rebuilt.result.output
    assert "parity: 1046 texts of 2 to 32 tokens" in rebuilt.result.output
    assert read_manifest(rebuilt.directory).version == "2026.11.22-1"


@pytest.mark.slow
def test_build_says_what_the_tickets_did_not_suffice_for_and_so_does_the_card(
    few_directory: Path, tmp_path: Path
) -> None:
    result = run("build", few_directory, tmp_path / "new")
    assert result.exit_code == 0, result.output
    assert "no ticket is told to be out of scope" in result.output
    assert ", of a scope score: " in result.output
    card = (tmp_path / "new" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "\n## Left out\n\n- no ticket is told to be out of scope" in card


def test_build_into_an_existing_directory_fails_with_one_line(
    checkpoint_directory: Path, sealed: Path
) -> None:
    result = run("build", checkpoint_directory, sealed)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "a sealed bundle never changes" in result.stderr


def test_build_of_something_else_than_a_checkpoint_fails_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    result = run("build", tmp_path / "run", tmp_path / "bundle")
    assert result.exit_code == 1
    assert "not a whole checkpoint" in result.stderr


def test_verify_explains_its_checks(sealed: Path) -> None:
    result = run("verify", sealed)
    assert result.exit_code == 0, result.output
    for name in ("digests", "tokenizer", "calibration", "company"):
        assert name in result.output


def test_verify_exits_with_1_and_names_the_failing_check(bundle: Path) -> None:
    (bundle / "tokenizer.json").write_text("{}", encoding="utf-8")
    result = run("verify", bundle)
    assert result.exit_code == 1
    assert "failed the check 'digests': tokenizer.json differs" in result.stderr


def test_a_path_that_does_not_exist_is_a_usage_error(tmp_path: Path) -> None:
    assert run("verify", tmp_path / "none").exit_code == 2


def test_an_unmet_promise_fails_the_build_with_one_line(
    full_directory: Path, tmp_path: Path
) -> None:
    (tmp_path / "promises.yaml").write_text("category: {precision: 0.999}\n", encoding="utf-8")
    result = run(
        "build", full_directory, tmp_path / "new", "--promises", tmp_path / "promises.yaml"
    )
    assert result.exit_code == 1
    assert "task category: a precision of 0.999" in result.stderr
    assert not (tmp_path / "new").exists()


def test_a_promises_file_with_an_unknown_key_fails_with_one_line(
    full_directory: Path, tmp_path: Path
) -> None:
    (tmp_path / "promises.yaml").write_text("category: {precise: 1}\n", encoding="utf-8")
    result = run(
        "build", full_directory, tmp_path / "new", "--promises", tmp_path / "promises.yaml"
    )
    assert result.exit_code == 1
    assert "category.precise: no such key" in result.stderr


def test_recalibrate_writes_a_bundle_and_says_what_it_did_and_how_long_it_took(
    promising: Path, labelled: Path, tmp_path: Path
) -> None:
    (tmp_path / "promises.yaml").write_text(
        "urgency: {coverage: 0.6}\ncategory: {coverage: 0.9}\n", encoding="utf-8"
    )
    result = run(
        "recalibrate", promising, labelled, tmp_path / "new", "--tasks", "urgency, ",
        "--promises", tmp_path / "promises.yaml", "--traffic", labelled, "--version", "desk-2",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    for part in (
        "labelled.csv: 700 tickets of 700 rows",
        "the promises for category are not used: --tasks leaves it out",
        "model.fp32.onnx: the limit of the scope stays: what the other tasks promise",
        "task urgency: P0 0.",
        "warning: the labelled tickets must be ones that the model was not trained on",
        "of 700 labelled tickets kept",
        "model.fp32.onnx, urgency: temperature",
        "model.fp32.onnx: urgency is `auto` from",
        "bundle desk-2 (sha256:",
        "is as it was; this took",
    ):
        assert part in result.output
    manifest = read_manifest(tmp_path / "new")
    assert manifest.version == "desk-2"
    assert manifest.metrics["promises"] == {
        "category": {"precision": 0.9, "suggest": 0.7},
        "urgency": {"coverage": 0.6},
    }
    card = (tmp_path / "new" / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "- model.fp32.onnx: the limit of the scope stays" in card
    assert "A promise takes the estimated shares as exact" in card


def test_recalibrate_refuses_with_one_line_and_keeps_the_bundle(
    promising: Path, tmp_path: Path
) -> None:
    before = bundle_digest(promising)
    (tmp_path / "labelled.csv").write_text("subject,body,category,urgency\nx,y,billing,P0\n")
    result = run("recalibrate", promising, tmp_path / "labelled.csv", tmp_path / "new")
    assert result.exit_code == 1
    assert "task category has no ticket labelled technical, a|ccount" in result.stderr
    assert result.stderr.count("\n") == 1
    assert bundle_digest(promising) == before
    assert not (tmp_path / "new").exists()


def test_recalibrate_of_something_else_than_a_bundle_fails_with_one_line(
    labelled: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    result = run("recalibrate", tmp_path / "empty", labelled, tmp_path / "new")
    assert result.exit_code == 1
    assert "empty has no readable SHA256SUMS" in result.stderr


def test_card_writes_a_bundle_with_a_fuller_card(
    promising: Path, full_directory: Path, tmp_path: Path
) -> None:
    result = run("card", promising, full_directory, tmp_path / "new", "--version", "desk-3")
    assert result.exit_code == 0, result.output
    assert "bundle desk-3 (sha256:" in result.output
    assert (tmp_path / "new" / "reliability.svg").exists()


def test_card_of_another_checkpoint_fails_with_one_line(
    promising: Path, checkpoint_directory: Path, tmp_path: Path
) -> None:
    result = run("card", promising, checkpoint_directory, tmp_path / "new")
    assert result.exit_code == 1
    assert "was made from the checkpoint sha256:" in result.stderr
    assert list(tmp_path.iterdir()) == []
