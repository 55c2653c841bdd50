"""What the image does, without a container: a bare wheel serves for a user without any rights."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.server import serving
from tests.tiny_bundle import write_bundle

ROOT = Path(__file__).parents[1]
NOBODY = 65534
HEAVY = ("torch", "transformers", "sklearn", "pyarrow", "onnx", "pip")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """A directory that everyone may read: `venv` with the base install, and `bundle`."""
    with tempfile.TemporaryDirectory(prefix="harbor-image-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        install(folder / "venv")
        write_bundle(folder / "bundle")
        subprocess.run(["chmod", "-R", "a-w", name], check=True)
        yield folder
        subprocess.run(["chmod", "-R", "u+w", name], check=True)


def install(venv: Path) -> None:
    """The wheel and its pinned dependencies, as the Dockerfile installs them, without pip."""
    source = venv.parent / "source"
    ignored = shutil.ignore_patterns(".*", "runs", "tests", "__pycache__", "build", "dist")
    shutil.copytree(ROOT, source, ignore=ignored)
    wheels = venv.parent / "wheels"
    pip = [sys.executable, "-m", "pip"]
    subprocess.run([*pip, "wheel", "-q", "--no-deps", "-w", wheels, source], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (wheel,) = wheels.glob("*.whl")
    constraints = ROOT / "constraints.txt"
    python = str(venv / "bin" / "python")
    into = [*pip, "--python", python, "install", "-q", "-c", str(constraints), str(wheel)]
    subprocess.run(into, check=True)


def as_nobody(command: list[str]) -> list[str]:
    """The command as a user without a home and without rights; as it is where root does not ask."""
    if os.geteuid() != 0:
        return command
    ids = ["--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
    return ["setpriv", *ids, "--bounding-set=-all", "--no-new-privs", *command]


def test_the_base_install_holds_no_training_stack(image: Path) -> None:
    code = f"import importlib.util as u; print([n for n in {HEAVY} if u.find_spec(n)])"
    python = str(image / "venv" / "bin" / "python")
    found = subprocess.run(
        [python, "-c", code], cwd="/", capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


def post(url: str, document: dict[str, Any]) -> Any:
    body, headers = json.dumps(document).encode(), {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as reply:
        return json.load(reply)


def test_the_wheel_serves_as_nobody_from_a_read_only_tree(image: Path) -> None:
    """Its ledger cannot be written either: that costs the record, not the replies."""
    command = as_nobody([str(image / "venv" / "bin" / "harbor-serve")])
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    ledger = ("--ledger", f"sqlite:///{image}/ledger.db")
    with serving(image / "bundle", *ledger, program=command, cwd=Path("/"), env=environment) as at:
        assert Path(f"/proc/{at.pid}").stat().st_uid != 0 or os.geteuid() != 0
        reply = post(f"{at.url}/route", {"subject": "Invoice twice"})
        assert set(reply["predictions"]) == {"category", "urgency", "queue"}
        with urllib.request.urlopen(f"{at.url}/metrics", timeout=30) as metrics:
            assert b"harbor_ledger_up 0.0" in metrics.read()


def test_the_wheel_brings_the_ledger_s_tables_and_the_report_s_page(
    image: Path, tmp_path: Path
) -> None:
    config = tmp_path / "shadow.yaml"
    legacy = {"name": "twin", "bundle": str(image / "bundle")}
    config.write_text(json.dumps({"legacies": [legacy]}))
    program = [str(image / "venv" / "bin" / "harbor-serve")]
    with serving(image / "bundle", "--shadow", str(config), program=program, cwd=tmp_path) as at:
        ticket = {"subject": "Invoice twice", "ticket_id": "7"}
        told = post(f"{at.url}/route?shadow=wait", ticket)
        assert told["shadow"]["twin"]["category"]["answer"]["agrees"]
        labels = {"category": "billing"}
        assert post(f"{at.url}/feedback", {"ticket_id": "7", "labels": labels})["matched"]
        page = f"{at.url}/shadow/report?format=html"
        with urllib.request.urlopen(page, timeout=60) as reply:
            assert b"<!doctype html>" in reply.read()
