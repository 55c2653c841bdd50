"""The command line: a bundle, a table of checks, or one clear line where something fails."""

from pathlib import Path

from typer.testing import CliRunner, Result

from export.cli import app
from service.contract.bundle import read_manifest
from tests.export.conftest import Rebuilt


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_build_writes_the_bundle_and_reports_parity(rebuilt: Rebuilt) -> None:
    assert rebuilt.result.exit_code == 0, rebuilt.result.output
    assert "parity: 1046 texts of 2 to 32 tokens" in rebuilt.result.output
    assert read_manifest(rebuilt.directory).version == "2026.11.22-1"


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
