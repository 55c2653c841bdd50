"""The repository's shape: its top level, what no file holds, what the service never imports."""

import re
import subprocess
import tomllib
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOP_LEVEL = {
    ".ci", ".dockerignore", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "Dockerfile",
    "LICENSE", "Makefile", "README.md", "constraints.txt", "deploy", "export", "pyproject.toml",
    "service", "tests", "training",
}  # fmt: skip
FORBIDDEN = re.compile(
    "|".join(
        (
            r"pypi\.org", r"pythonhosted\.org", r"registry\.npmjs", r"(deb|security)\.debian\.org",
            r"(?<![\w.])/(work|root|farm)/\w", r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b",
        )
    )
)  # fmt: skip


def tracked() -> list[Path]:
    """The files that git knows or would add."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_the_top_level_is_the_design_s() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} == TOP_LEVEL


def test_no_file_names_a_registry_or_a_path_of_one_machine_or_leaves_a_marker() -> None:
    found = {}
    for path in tracked():
        if path != Path(__file__) and (hit := FORBIDDEN.search(path.read_text(errors="ignore"))):
            found[str(path.relative_to(ROOT))] = hit.group()
    assert found == {}


def test_every_direct_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    direct = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    pins = {_name(line) for line in (ROOT / "constraints.txt").read_text().splitlines()}
    # onnxruntime without CUDA is for the platforms that the pins are not for.
    assert {_name(line) for line in direct} - pins - {"onnxruntime", project["name"]} == set()


RECIPES = [
    ROOT / "deploy" / "quickstart.yaml",
    *sorted((ROOT / "deploy" / "recipes").glob("*.yaml")),
]


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_a_configuration_that_is_delivered_is_valid(path: Path) -> None:
    from training.config import read_config

    assert read_config(path).model.encoder == "minilm"


def test_make_uses_nothing_again_that_another_file_or_configuration_made(tmp_path: Path) -> None:
    data, config = tmp_path / "tickets.csv", tmp_path / "run.yaml"
    (tmp_path / "out" / "run").mkdir(parents=True)
    for path in (data, config, tmp_path / "out" / "config.yaml"):
        path.write_text("a")
    origin = tmp_path / "out" / "run" / "run.json"
    origin.write_text(f'{{"data": "{data.resolve()}"}}')
    assert make("same-run", tmp_path).returncode == 0
    config.write_text("b")
    assert "another configuration" in make("same-run", tmp_path).stderr
    origin.write_text('{"data": "elsewhere"}')
    assert "another file" in make("same-run", tmp_path).stderr


def make(target: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """`make` for the tickets, the configuration and the outputs in a folder."""
    names = {"DATA": "tickets.csv", "CONFIG": "run.yaml", "OUT": "out"}
    variables = [f"{name}={folder / file}" for name, file in names.items()]
    return subprocess.run(["make", target, *variables], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("script", [".ci/run", "deploy/quickstart.sh"])
def test_a_script_parses_and_can_be_run(script: str) -> None:
    assert (ROOT / script).stat().st_mode & 0o111
    subprocess.run(["bash", "-n", script], cwd=ROOT, check=True)


def _name(requirement: str) -> str:
    match = re.match(r"[\w.-]+", requirement)
    return match.group().lower().replace("_", "-") if match else ""


def test_training_is_kept_from_every_part_of_the_service_but_the_shared_ones() -> None:
    shared = {"contract", "statistics", "__init__"}
    parts = {path.stem for path in (ROOT / "service").iterdir() if path.suffix in {"", ".py"}}
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    rule = next(rule for rule in lint["contracts"] if rule.get("source_modules") == ["training"])
    named = {module.removeprefix("service.") for module in rule["forbidden_modules"]}
    assert named == parts - shared - {"__pycache__"}
