"""The command line: flags are the settings, and a wrong one is said in a line."""

import gc
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli import app
from service.flags import SettingsError, flag, read_settings, unknown_variables
from service.garbage import for_good
from service.settings import Settings

runner = CliRunner()


def test_every_setting_is_a_flag_with_its_description() -> None:
    text = runner.invoke(app, ["run", "--help"], env={"COLUMNS": "300", "TERM": "dumb"}).output
    for name in Settings.model_fields:
        assert flag(name) in text


def test_flags_beat_environment_variables_beat_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARBOR_PORT", "9001")
    monkeypatch.setenv("HARBOR_MAX_BATCH", "7")
    settings = read_settings({"bundle": "x", "port": "9002"})
    assert (settings.port, settings.max_batch, settings.host) == (9002, 7, "127.0.0.1")


def test_a_wrong_value_names_the_flag_the_rule_and_the_value() -> None:
    with pytest.raises(SettingsError, match=r"--provider: .*'auto', 'cuda' or 'cpu'.*'gpu'"):
        read_settings({"bundle": "x", "provider": "gpu"})


def test_a_wrong_variable_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARBOR_PORT", "tcp://10.0.0.1:8080")
    with pytest.raises(SettingsError, match="HARBOR_PORT"):
        read_settings({"bundle": "x"})


def test_a_variable_that_is_no_setting_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARBOR_PROVIDRE", "cpu")
    assert unknown_variables() == ["HARBOR_PROVIDRE"]


def test_a_usage_fault_is_one_line_and_status_2() -> None:
    done = runner.invoke(app, ["run"])
    assert done.exit_code == 2
    assert done.stderr.splitlines() == ["harbor-serve: --bundle (or HARBOR_BUNDLE) is required"]


def test_a_missing_bundle_is_one_line_and_status_1(tmp_path: Path) -> None:
    done = runner.invoke(
        app, ["run", "--bundle", str(tmp_path / "none"), "--port", "0", "--ledger", "off"]
    )
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("harbor-serve: bundle none: ")


def test_an_address_that_is_not_to_be_had_is_one_line_and_status_1(bundle: Path) -> None:
    done = runner.invoke(
        app, ["run", "--bundle", str(bundle), "--host", "192.0.2.1", "--ledger", "off"]
    )
    assert done.exit_code == 1
    assert "cannot listen on 192.0.2.1" in done.stderr


def test_measuring_nobody_is_one_line_and_status_1() -> None:
    done = runner.invoke(app, ["bench", "--url", "http://127.0.0.1:1", "--seconds", "0.1"])
    assert done.exit_code == 1
    assert done.stderr.startswith("harbor-serve: cannot measure http://127.0.0.1:1: ")


def test_what_the_start_brings_into_being_is_never_searched_for_garbage() -> None:
    before = gc.get_freeze_count()
    try:
        with for_good():
            assert not gc.isenabled()
            stays = [object()]
        assert gc.isenabled()
        assert gc.get_freeze_count() > before
        assert all(kept is not stays for kept in gc.get_objects())
    finally:
        gc.unfreeze()
