"""The command line: one clear line where something fails, and nothing done twice."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.training.desk import tiny_config, write_desk
from training.cli import app
from training.conclude import concluded
from training.config import dump_config
from training.console import ROWS, report_table
from training.hold import hold


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def contents(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.fixture
def config(encoder: Path, tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(dump_config(tiny_config(encoder, epochs=1)))
    return path


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def test_resuming_a_finished_run_shows_its_report_and_changes_nothing(finished: Path) -> None:
    before = contents(finished)
    result = run("resume", finished)
    assert result.exit_code == 0, result.output
    assert "Test split" in result.output
    assert contents(finished) == before


def test_the_table_shows_the_debiased_ece_and_nothing_where_it_is_not_known() -> None:
    known = {"n": 40.0, "accuracy": 0.5, "ece": 0.2, "ece_debiased": 0.125}
    rows = {kind: known if kind == "test" else {"n": 40.0} for kind in ROWS}
    table = report_table({"tasks": {"queue": rows}})
    columns = {str(one.header): list(one.cells) for one in table.columns}
    assert columns["ECE, debiased"] == ["0.125", "", "", ""]
    assert columns["accuracy"] == ["0.500", "", "", ""]


def test_a_run_with_a_damaged_end_is_not_concluded(copy: Path) -> None:
    assert concluded(copy) is not None
    report = (copy / "report.json").read_text()
    (copy / "report.json").write_text(report[:100])
    assert concluded(copy) is None
    (copy / "report.json").write_text(report)
    (copy / "checkpoint" / "tokenizer.json").write_text("{}")
    assert concluded(copy) is None


def test_a_run_whose_configuration_was_changed_is_not_concluded(copy: Path) -> None:
    config = (copy / "config.yaml").read_text()
    (copy / "config.yaml").write_text(config.replace("epochs: 3", "epochs: 4", 1))
    assert concluded(copy) is None


@pytest.mark.parametrize("name", ["best.safetensors", "state.safetensors"])
def test_a_damaged_state_fails_with_one_line(copy: Path, name: str) -> None:
    shutil.rmtree(copy / "checkpoint")
    (copy / name).write_bytes(b"short")
    result = run("resume", copy)
    assert result.exit_code == 1
    assert f"error: {name} is not" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_directory_that_cannot_be_made_fails_with_one_line(
    config: Path, desk: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "run"):
        result = run("run", config, "--data", desk, "--out", out)
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert "cannot hold a run" in result.stderr


def test_square_brackets_in_a_name_are_shown(config: Path, tmp_path: Path) -> None:
    data = write_desk(tmp_path / "[b]tickets.csv", urgency=False)
    result = run("run", config, "--data", data, "--out", tmp_path / "run")
    assert "error: [b]tickets.csv has no column for the task urgency" in result.stderr


def test_a_task_without_a_label_in_a_split_is_refused_by_name(config: Path, tmp_path: Path) -> None:
    data = write_desk(tmp_path / "tickets.csv")
    header, *lines = data.read_text().splitlines()
    levels = ["P0", "P1"] * 3 + [""] * len(lines)
    rows = [
        line.rsplit(",", 1)[0] + "," + level for line, level in zip(lines, levels, strict=False)
    ]
    data.write_text("\n".join([header, *rows]) + "\n")
    result = run("run", config, "--data", data, "--out", tmp_path / "run")
    assert result.exit_code == 1
    assert "task urgency needs a labelled ticket in every split, found none" in result.stderr


def test_rare_labels_are_left_out_aloud_and_counted_nowhere(config: Path, tmp_path: Path) -> None:
    data = write_desk(tmp_path / "tickets.csv")
    with data.open("a") as stream:
        stream.write("r1,,a ticket like no other,rarest,P1\n")
    result = run("run", config, "--data", data, "--out", tmp_path / "run")
    assert "task category: 1 rare labels on 1 rows are left out" in result.output
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    labelled = sum(part["tasks"]["category"]["labelled"] for part in report["splits"].values())
    assert labelled == 160 - 54


@pytest.mark.parametrize("name", ["desk.jsonl", "."])
def test_a_sample_that_cannot_be_written_fails_with_one_line(tmp_path: Path, name: str) -> None:
    result = run("sample", "--out", tmp_path / name, "--tickets", "1")
    assert result.exit_code == 1
    assert "must end in .csv or .csv.gz" in result.stderr


def test_two_processes_do_not_work_on_one_run(copy: Path) -> None:
    (copy / "report.json").unlink()
    with hold(copy):
        result = run("resume", copy)
    assert result.exit_code == 1
    assert result.stderr == "error: another process is at work on copy\n"
    assert run("resume", copy).exit_code == 0


def test_a_damaged_record_is_cut_where_the_damage_begins(copy: Path) -> None:
    shutil.rmtree(copy / "checkpoint")
    with (copy / "events.jsonl").open("ab") as stream:
        stream.write(b'{"event": \xff')
    assert run("resume", copy).exit_code == 0


def test_a_finished_run_gets_its_report(copy: Path, tmp_path: Path) -> None:
    (copy / "events.jsonl").unlink()  # Without it there is less to draw.
    assert run("report", copy).exit_code == 0
    page = (copy / "report.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "at 5,000 tickets a week" in page
    result = run("report", copy, "--out", tmp_path / "pages" / "one.html")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "pages" / "one.html").read_text() == page


def test_a_report_asks_for_what_the_file_of_promises_names(copy: Path, tmp_path: Path) -> None:
    promises = tmp_path / "promises.yaml"
    promises.write_text("team: {precision: 0.9}\n")
    result = run("report", copy, "--promises", promises)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "promises may name category, urgency, found team" in result.stderr


def test_a_run_that_has_not_ended_has_no_report(copy: Path) -> None:
    shutil.rmtree(copy / "checkpoint")
    result = run("report", copy)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "copy has no checkpoint: the run has not come to its end" in result.stderr
