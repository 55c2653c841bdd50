"""A bundle with all four graphs is sealed, verified, recalibrated and quantised as any other."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner, Result

from export.attention import PACKED_NODE, count
from export.cli import app
from export.plan import Wanted
from export.recalibrate import recalibrate
from export.recard import recard
from export.verify import verify
from service.contract.bundle import SUMS, Variant, check_digests, read_manifest, seal
from tests.export.graphs import steady_checkpoint

pytestmark = pytest.mark.slow

FILES = ("model.fp32.onnx", "model.fp16.onnx", "model.fp32.ragged.onnx", "model.fp16.ragged.onnx")
NAMES = ("fp16", "fp32-ragged", "fp16-ragged")


@dataclass(frozen=True)
class Made:
    """A bundle of four graphs, and what the command that made it printed."""

    directory: Path
    result: Result

    @property
    def variants(self) -> tuple[Variant, ...]:
        """As its manifest has them."""
        return read_manifest(self.directory).variants


@pytest.fixture(scope="module")
def steady(full_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint; not to be written to."""
    directory = tmp_path_factory.mktemp("runs") / "steady"
    steady_checkpoint(full_directory, directory)
    return directory


@pytest.fixture(scope="module")
def four(steady: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Not to be written to."""
    return _build(steady, tmp_path_factory.mktemp("bundles"))


def _build(checkpoint: Path, folder: Path) -> Made:
    promises, directory = folder / "promises.yaml", folder / "four"
    promises.write_text("category: {precision: 0.9, suggest: 0.7}\n")
    arguments = ["build", str(checkpoint), str(directory), "--promises", str(promises)]
    for name in NAMES:
        arguments += ["--variant", name]
    return Made(directory, CliRunner().invoke(app, arguments))


def test_the_command_writes_four_graphs_and_says_how_close_they_are(four: Made) -> None:
    assert four.result.exit_code == 0, four.result.output
    assert tuple(one.file for one in four.variants) == FILES
    assert [(one.precision, one.layout, one.providers) for one in four.variants] == [
        ("fp32", "padded", ("cpu", "cuda")),
        ("fp16", "padded", ("cpu", "cuda")),
        ("fp32", "ragged", ("cpu",)),
        ("fp16", "ragged", ("cuda",)),
    ]
    for file in FILES[1:]:
        assert f"{file}: 1046 texts; largest difference" in four.result.output
    assert "was proven by its definition on the CPU, not on CUDA" in four.result.output


def test_what_ships_for_cuda_has_packed_attention(four: Made) -> None:
    model = onnx.load(four.directory / "model.fp16.ragged.onnx")
    assert count(model, PACKED_NODE) == 2
    assert not model.functions


def test_float32_keeps_the_promises_and_float16_makes_none_without_tickets(four: Made) -> None:
    promised = {one.file: set(one.thresholds) for one in four.variants}
    assert promised == {
        FILES[0]: {"category"},
        FILES[1]: set(),
        FILES[2]: {"category"},
        FILES[3]: set(),
    }
    card = (four.directory / "MODEL_CARD.md").read_text()
    assert "## Other graphs" in card
    assert "promises nothing: no tickets were given" in card


def test_every_check_passes(four: Made) -> None:
    done = {check.name: check.status for check in verify(four.directory)}
    assert set(done.values()) <= {"passed", "skipped"}
    assert done["golden, CPU"] == done["company"] == "passed"


@pytest.mark.parametrize("file", FILES[1:])
def test_a_wrong_golden_answer_of_any_graph_is_found(four: Made, file: str, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(four.directory, tmp_path / "bundle"))
    golden = bundle / file.replace("model", "golden").replace("onnx", "json")
    document = json.loads(golden.read_bytes())
    document["tickets"][0]["probabilities"]["category"] = [1.0, 0.0, 0.0]
    golden.write_text(json.dumps(document))
    (bundle / SUMS).unlink()
    seal(bundle)
    last = list(verify(bundle))[-1]
    assert (last.name, last.status) == ("golden, CPU", "failed")
    assert golden.name in last.found


def test_a_recalibration_gives_every_graph_its_own_promises(
    four: Made, labelled: Path, tmp_path: Path
) -> None:
    made = recalibrate(four.directory, tmp_path / "new", Wanted(labelled))
    assert tuple(one.file for one in made.variants) == FILES
    assert all(set(one.thresholds) == {"category"} for one in made.variants)
    scales = [one.calibration["category"].scale for one in made.variants]
    assert scales[1] != scales[0] != scales[3]
    np.testing.assert_allclose(scales, [scales[0]] * len(FILES), rtol=0.01)
    assert {check.status for check in verify(tmp_path / "new")} <= {"passed", "skipped"}
    card = (tmp_path / "new" / "MODEL_CARD.md").read_text()
    assert "## Other graphs" in card
    assert "promises nothing" not in card


def test_a_fuller_card_keeps_the_graphs(four: Made, steady: Path, tmp_path: Path) -> None:
    recard(four.directory, steady, tmp_path / "new")
    assert read_manifest(tmp_path / "new").variants == four.variants
    assert "## Other graphs" in (tmp_path / "new" / "MODEL_CARD.md").read_text()


def test_a_second_build_gives_the_same_bytes(four: Made, steady: Path, tmp_path: Path) -> None:
    assert check_digests(_build(steady, tmp_path).directory) == check_digests(four.directory)


def test_a_scope_score_that_float16_does_not_hold_is_refused(
    full_directory: Path, tmp_path: Path
) -> None:
    arguments = ["build", str(full_directory), str(tmp_path / "new"), "--variant", "fp16"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "a scope score differs from the fp32 graph's" in " ".join(result.output.split())
    assert list(tmp_path.iterdir()) == []
