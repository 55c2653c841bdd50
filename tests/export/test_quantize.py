"""A variant in whole numbers is one more proven graph of the bundle, or it is refused."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from sklearn.metrics import f1_score
from typer.testing import CliRunner

from export import shown
from export.cli import app
from export.errors import QuantizationRefused
from export.int8.gates import Cost, Limits, weigh
from export.int8.layers import find_layers
from export.int8.quantize import GRAPH, KEY, Quantized, quantize
from export.int8.ranges import Rounding, narrowed
from export.int8.rewrite import MOST, rounded
from export.plan import Wanted
from export.recalibrate import recalibrate
from export.verify import verify
from service.contract.bundle import TOKENIZER, check_digests, read_golden, read_manifest
from service.contract.tokens import IntArray, Tokenizer
from service.engine.outputs import Outputs
from service.engine.session import Session
from service.proof import prove_golden
from tests.export.tiny import CALIBRATION, TASKS, tiny_tickets
from training.calibration.fit import probabilities
from training.calibration.judge import judge
from training.checkpoint import load
from training.data.sample import write_csv
from training.predictions import Predictions

TICKETS = 2000
LAX = Limits(loss=0.1, bound=0.2, agreement=0.9, nll=1.2)
"""A random network of width 32 loses more than a trained one."""


@dataclass(frozen=True)
class Made:
    """A bundle with two variants, and what `quantize` returned."""

    directory: Path
    made: Quantized


@pytest.fixture(scope="module")
def labelled(full_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tickets of the desk, enough to show the promises without those that set the ranges."""
    path = tmp_path_factory.mktemp("tickets") / "labelled.csv"
    rows = tiny_tickets(load(full_directory).network, TICKETS, 11)
    write_csv(path, rows, tuple(CALIBRATION))
    return path


@pytest.fixture(scope="module")
def two(promising: Path, labelled: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The bundle `promising` with an int8 variant; not to be written to."""
    directory = tmp_path_factory.mktemp("bundles") / "two"
    return Made(directory, quantize(promising, directory, Wanted(labelled), limits=LAX))


def test_the_new_bundle_holds_the_old_variant_as_it_was_and_one_more(
    two: Made, promising: Path
) -> None:
    old, new = read_manifest(promising), read_manifest(two.directory)
    assert new.variants[0] == old.variants[0]
    assert [one.precision for one in new.variants] == ["fp32", "int8"]
    assert new.variants[1].providers == ("cpu",)
    assert not new.variants[1].alone
    assert set(new.variants[1].thresholds) == set(old.variants[0].thresholds)
    assert new.version.startswith(f"{old.version}+q")
    fp32 = old.variants[0].file
    assert (two.directory / fp32).read_bytes() == (promising / fp32).read_bytes()


def test_it_verifies_and_its_card_says_what_it_costs(two: Made) -> None:
    assert [check.status for check in verify(two.directory) if check.status == "failed"] == []
    card = (two.directory / "MODEL_CARD.md").read_text()
    assert "## In whole numbers" in card
    assert set(read_manifest(two.directory).metrics[KEY]["tasks"]) == {one.name for one in TASKS}


def test_only_the_encoder_s_products_are_in_whole_numbers(two: Made) -> None:
    model = onnx.load(two.directory / GRAPH)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("MatMulIntegerToFloat") == 2 * 6
    assert kinds.count("QuantizeLinear") == 2 * 4
    # A step a token before the two feed-forward layers, one for all before attention's.
    assert kinds.count("ReduceMax") == 2 * 2
    weights = {node.input[1] for node in model.graph.node if node.domain == "com.microsoft"}
    for tensor in model.graph.initializer:
        if tensor.name in weights:
            assert np.abs(numpy_helper.to_array(tensor).astype(int)).max() <= MOST


def test_a_second_run_gives_the_same_bytes(
    two: Made, promising: Path, labelled: Path, tmp_path: Path
) -> None:
    quantize(promising, tmp_path / "again", Wanted(labelled), limits=LAX)
    assert check_digests(tmp_path / "again") == two.made.digest


def test_a_recalibration_afterwards_keeps_both_variants(
    two: Made, labelled: Path, tmp_path: Path
) -> None:
    made = recalibrate(two.directory, tmp_path / "renewed", Wanted(labelled))
    assert [one.precision for one in made.variants] == ["fp32", "int8"]
    assert "+q" not in made.version


class Watched(Session):
    """A session that remembers how many tickets each call had."""

    def run(self, ids_BL: IntArray, mask_BL: IntArray) -> Outputs:
        """As a session."""
        self.sizes = {*getattr(self, "sizes", ()), len(ids_BL)}
        return super().run(ids_BL, mask_BL)


@pytest.mark.parametrize(("alone", "sizes"), [(True, {1}), (False, {1, 8})])
def test_a_variant_that_is_to_be_run_alone_is_proven_alone(
    two: Made, *, alone: bool, sizes: set[int]
) -> None:
    manifest = read_manifest(two.directory)
    variant = manifest.variants[1].model_copy(update={"alone": alone})
    session = Watched.open(two.directory / variant.file, manifest.tasks, "cpu", threads=1)
    tokenizer = Tokenizer.from_file(two.directory / TOKENIZER, manifest.token_limit)
    prove_golden(session, tokenizer, read_golden(two.directory, variant), manifest, variant)
    assert sizes <= session.sizes
    assert (max(session.sizes) == 1) is alone


def test_a_bundle_has_one_variant_in_whole_numbers(
    two: Made, labelled: Path, tmp_path: Path
) -> None:
    with pytest.raises(QuantizationRefused, match="int8 graph already"):
        quantize(two.directory, tmp_path / "twice", Wanted(labelled))


def test_the_command_refuses_with_a_reason_and_writes_nothing(
    promising: Path, labelled: Path, tmp_path: Path
) -> None:
    arguments = ["quantize", str(promising), str(labelled), str(tmp_path / "new")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "keep their label, at least 98% must" in result.output
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_what_each_task_loses(two: Made) -> None:
    lines = list(shown.quantized(two.made))
    assert len(lines) == len(TASKS)
    assert "tickets keep their label" in lines[0]


def test_a_task_that_is_not_judged_promises_nothing(
    promising: Path, labelled: Path, tmp_path: Path
) -> None:
    quantize(promising, tmp_path / "new", Wanted(labelled, ("category",)), limits=LAX)
    old, new = read_manifest(tmp_path / "new").variants
    assert set(new.thresholds) == {"category"}
    assert new.calibration["urgency"] == old.calibration["urgency"]


def test_a_verified_bundle_is_refused_when_its_whole_numbers_are_damaged(
    two: Made, tmp_path: Path
) -> None:
    bundle = Path(shutil.copytree(two.directory, tmp_path / "bundle"))
    golden = bundle / "golden.int8.json"
    document = json.loads(golden.read_bytes())
    document["tickets"][0]["probabilities"]["category"] = [1.0, 0.0, 0.0]
    golden.write_text(json.dumps(document))
    assert list(verify(bundle))[-1].status == "failed"


def answers(noise: float, shift: float = 0.0, tickets: int = TICKETS) -> Predictions:
    """Labels that follow the logits, told by logits that are off by `noise`; `shift` moves the
    first label.
    """
    random = np.random.default_rng(0)
    clean = {task.name: 3.0 * random.normal(size=(tickets, task.classes)) for task in TASKS}
    labels = {
        name: (one + random.gumbel(size=one.shape)).argmax(axis=1) for name, one in clean.items()
    }
    logits = {name: one + noise * random.normal(size=one.shape) for name, one in clean.items()}
    for one in logits.values():
        one[: tickets // 20, 0] += shift
    return Predictions(logits, labels)


def weighed(after: Predictions, tickets: int = TICKETS) -> tuple[Cost, ...]:
    before = answers(0.0, tickets=tickets)
    judged = [judge(TASKS, one, None) for one in (before, after)]
    return weigh(TASKS, (before, judged[0]), (after, judged[1]), Limits())


def test_two_thousand_tickets_are_enough_for_a_small_cost() -> None:
    for cost in weighed(answers(0.02)):
        assert cost.agreement >= 0.98
        assert cost.accuracy_bound <= 0.015


def test_the_loss_of_macro_f1_is_that_of_scikit_learn() -> None:
    before, after = answers(0.0, tickets=400), answers(0.3, tickets=400)
    judged = [judge(TASKS, one, None) for one in (before, after)]
    lax = Limits(loss=1.0, bound=1.0, agreement=0.0, nll=10.0)
    for cost in weigh(TASKS, (before, judged[0]), (after, judged[1]), lax):
        scores = []
        for one, found in zip((before, after), judged, strict=True):
            given_NC = probabilities(one.logits[cost.task], found.calibration[cost.task])
            right_N = one.labels[cost.task]
            scores.append(f1_score(right_N, given_NC.argmax(axis=1), average="macro"))
        assert cost.f1_loss == pytest.approx(scores[0] - scores[1])
        assert cost.f1_bound < cost.f1_loss


def test_labels_that_change_are_refused() -> None:
    with pytest.raises(QuantizationRefused, match="keep their label"):
        weighed(answers(0.02, shift=20.0))


def test_too_few_tickets_to_tell_are_refused_with_the_number_that_would_do() -> None:
    with pytest.raises(QuantizationRefused, match=r"some \d+ are\s+needed"):
        weighed(answers(0.0, tickets=100), tickets=100)


def test_a_range_keeps_the_body_of_its_values_and_cuts_off_a_lone_far_one() -> None:
    counts = np.zeros(4096, dtype=np.int64)
    counts[:40], counts[-1] = 1_000_000, 1
    low, high = narrowed(counts, (0.0, 1000.0))
    assert low == 0.0
    assert high < 1000.0
    rounding = Rounding.over((-1.0, 3.0))
    values = np.linspace(-1.0, 3.0, 101, dtype=np.float32)
    assert np.abs(rounding.back(values) - values).max() <= rounding.step


def test_a_weight_s_steps_are_within_seven_bits_and_lose_little() -> None:
    weight_KN = np.random.default_rng(0).normal(size=(64, 8)).astype(np.float32)
    bytes_KN, step_N = rounded(weight_KN)
    assert np.abs(bytes_KN.astype(int)).max() <= MOST
    assert np.abs(bytes_KN * step_N - weight_KN).mean() < 0.02


def test_a_graph_s_layers_carry_their_biases(promising: Path) -> None:
    layers = find_layers(onnx.load(promising / "model.fp32.onnx"))
    assert len(layers) == 2 * 6
    assert all(layer.bias for layer in layers)
    assert len({layer.source for layer in layers}) == 2 * 4
