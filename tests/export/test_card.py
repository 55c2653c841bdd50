"""A bundle's card is made fuller from the checkpoint's test split: measured figures, in words."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from export.card.confidence import Answers, confidence
from export.card.diagram import diagram
from export.errors import TargetExists, WrongCheckpoint
from export.recard import recard
from export.verify import verify
from service.contract.bundle import SUMS, bundle_digest, read_manifest, seal
from service.contract.promises import Costs, Threshold
from service.contract.tasks import Task
from service.opening import open_bundle
from service.settings import Settings
from tests.export.conftest import Renewed
from training.calibration.fit import probabilities
from training.checkpoint import load

TASK = Task(name="queue", labels=("a", "b"))


def card_of(bundle: Path) -> str:
    return (bundle / "MODEL_CARD.md").read_text(encoding="utf-8")


def answers(threshold: Threshold | None = None, outside: int = 0) -> Answers:
    """Of 40 tickets of confidence .9, 36 are right; of 40 of confidence .6, 24. The first `outside`
    are out of scope.
    """
    confidence_N = np.repeat([0.9, 0.6], 40)
    labels_N = np.concatenate([np.arange(40) >= 36, np.arange(40) >= 24]).astype(np.int64)
    probabilities_NC = np.stack([confidence_N, 1 - confidence_N], axis=1)
    return Answers(TASK, probabilities_NC, labels_N, threshold, np.arange(80) >= outside)


def test_only_card_diagram_and_version_are_new(promising: Path, carded: Path) -> None:
    old, new = read_manifest(promising), read_manifest(carded)
    assert new == old.model_copy(update={"version": f"{old.version}+card"})
    names = {path.name for path in promising.iterdir()}
    assert {path.name for path in carded.iterdir()} == names | {"reliability.svg"}
    for name in names - {"MODEL_CARD.md", "manifest.json", SUMS}:
        assert (carded / name).read_bytes() == (promising / name).read_bytes()
    assert card_of(carded).startswith(f"# Harbor bundle {new.version}\n")


def test_the_service_opens_it_and_every_check_passes(carded: Path) -> None:
    opened = open_bundle(carded, Settings(bundle=carded, provider="cpu"))
    assert opened.manifest.version.endswith("+card")
    assert {check.status for check in verify(carded)} <= {"passed", "skipped"}


def test_the_card_measures_the_test_split_with_the_bundle_s_calibration(
    carded: Path, full_directory: Path
) -> None:
    card, test = card_of(carded), load(full_directory).predictions["test"]
    (variant,) = read_manifest(carded).variants
    logits_NC, labels_N = test.labelled("category")
    probabilities_NC = probabilities(logits_NC, variant.calibration["category"])
    accuracy = accuracy_score(labels_N, probabilities_NC.argmax(axis=1))
    section = card.partition("### category")[2].partition("### urgency")[0]
    assert f"| 100 % | {accuracy:.3f} |" in section
    assert test.scope_N is not None
    assert variant.scope is not None
    inside_N = test.scope_N <= variant.scope.threshold
    outside = int((~inside_N).sum())
    assert outside > 0
    assert f"By threshold ({outside} of 800 tickets are out of scope, always `human`):" in section
    sure_N = (np.round(probabilities_NC.max(axis=1), 6) >= 0.8) & inside_N
    right = (probabilities_NC.argmax(axis=1) == labels_N)[sure_N].mean()
    assert re.search(rf"\| 0\.80 \| {right:.3f} \| .* \| {100 * sure_N.mean():.1f} % \|", section)
    assert "tickets: 800 (category), 800 (urgency)." in card
    assert (
        "![Accuracy against confidence, a panel a task, with 95 % intervals](reliability.svg)"
        in card
    )
    assert "`suggest`: show it to an" in card
    assert "Nothing was fitted or chosen on these tickets.\n" in card


def test_a_bin_s_accuracy_comes_with_its_wilson_interval_and_its_tickets() -> None:
    section = confidence([answers()], recalibrated=False)
    bins = re.findall(r"\| (0\.\d+) \| (\d\.\d+) \| (\d\.\d+) to (\d\.\d+) \| (\d+) \|", section)
    assert [sure for sure, *_ in bins] == ["0.600"] * 5 + ["0.900"] * 5
    assert all(count == "8" for *_, count in bins)
    # 8 of 8: statsmodels' proportion_confint(8, 8, method="wilson") gives 0.6756 to 1.
    assert ("0.900", "1.000", "0.676", "1.000", "8") in bins
    assert "| 0.90 | 0.900 | 0.769 to 0.960 | 50.0 % |" in section
    assert "| 0.95 |  |  | 0.0 % |" in section


def test_a_task_s_own_thresholds_are_measured_too() -> None:
    section = confidence([answers(Threshold(auto=0.9, suggest=0.7))], recalibrated=False)
    assert "50.0 % of these tickets are `auto`, 0.0 % `suggest`, 50.0 % `human`." in section
    assert "Of the 40 `auto` ones 36 are right: 90.0 % (95 % interval 76.9 to 96.0 %)." in section


def test_a_ticket_out_of_scope_is_never_counted_as_auto_or_suggest() -> None:
    strange = answers(Threshold(auto=0.9, suggest=0.5), outside=30)
    section = confidence([strange], recalibrated=False)
    assert "12.5 % of these tickets are `auto`, 50.0 % `suggest`, 37.5 % `human`." in section
    assert "Of the 10 `auto` ones 6 are right: 60.0 %" in section
    assert "By threshold (30 of 80 tickets are out of scope, always `human`):" in section
    assert "| 0.90 | 0.600 | 0.313 to 0.832 | 12.5 % |" in section


def test_a_label_s_own_threshold_and_never_are_kept_to() -> None:
    own = answers(Threshold(auto=0.95, by_label={"a": 0.6}))
    assert own.threshold is not None
    assert own.auto(own.threshold).all()
    never = answers(Threshold(auto=0.5, suggest=0.5, by_label={"a": None}))
    section = confidence([never], recalibrated=False)
    assert "0.0 % of these tickets are `auto`, 100.0 % `suggest`, 0.0 % `human`." in section


def test_a_choice_by_expected_cost_is_measured_as_the_service_makes_it() -> None:
    costs = Costs(matrix=((0.0, 1.0), (100.0, 0.0)), human=1.0)
    one = answers(Threshold(auto=0.5, choose="expected_cost", costs=costs))
    assert one.given_N.tolist() == [1] * 80
    np.testing.assert_allclose(one.confidence_N, np.repeat([0.1, 0.4], 40))
    assert one.right_N.sum() == 4 + 16


def test_the_diagram_is_small_and_the_same_every_time_and_names_no_day(
    carded: Path, promising: Path, full_directory: Path, tmp_path: Path
) -> None:
    content = (carded / "reliability.svg").read_bytes()
    assert len(content) < 100_000
    assert b"dc:date" not in content
    recard(promising, full_directory, tmp_path / "again")
    for path in carded.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize("number", [1, 3, 4])
def test_the_diagram_has_a_panel_a_task(number: int) -> None:
    drawn = diagram([answers() for _ in range(number)]).decode()
    assert drawn.count("queue (n = 80)") == number
    assert drawn.count('id="axes_') == -(-number // 3) * min(number, 3)


def test_a_card_made_twice_is_the_same_card(
    carded: Path, full_directory: Path, tmp_path: Path
) -> None:
    again = recard(carded, full_directory, tmp_path / "again")
    assert again.digest == bundle_digest(carded)


def test_the_card_of_a_recalibrated_bundle_says_that_the_tickets_are_older(
    renewed: Renewed, full_directory: Path, tmp_path: Path
) -> None:
    recard(renewed.directory, full_directory, tmp_path / "new")
    card = card_of(tmp_path / "new")
    assert "This bundle was recalibrated since" in card
    assert "unless they were among those that it was recalibrated on" in card
    assert "Nothing was fitted or chosen on these tickets." not in card
    assert read_manifest(tmp_path / "new").version == f"{renewed.made.version}+card"


def test_another_checkpoint_is_refused(
    sealed: Path, promising: Path, checkpoint_directory: Path, full_directory: Path, tmp_path: Path
) -> None:
    with pytest.raises(WrongCheckpoint, match="was made from the checkpoint sha256:"):
        recard(promising, checkpoint_directory, tmp_path / "new")
    with pytest.raises(WrongCheckpoint, match="was made from the checkpoint sha256:"):
        recard(sealed, full_directory, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_without_predictions_is_refused(
    sealed: Path, checkpoint_directory: Path, tmp_path: Path
) -> None:
    with pytest.raises(WrongCheckpoint, match="holds no predictions of its test split"):
        recard(sealed, checkpoint_directory, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_without_an_fp32_graph_is_refused(
    promising: Path, full_directory: Path, tmp_path: Path
) -> None:
    bundle = Path(shutil.copytree(promising, tmp_path / "bundle"))
    manifest = (bundle / "manifest.json").read_text(encoding="utf-8")
    changed = manifest.replace('"precision": "fp32"', '"precision": "int8"')
    (bundle / "manifest.json").write_text(changed, encoding="utf-8")
    (bundle / SUMS).unlink()
    seal(bundle)
    with pytest.raises(WrongCheckpoint, match="has no fp32 graph"):
        recard(bundle, full_directory, tmp_path / "new")


def test_an_existing_target_is_refused(promising: Path, full_directory: Path) -> None:
    before = bundle_digest(promising)
    with pytest.raises(TargetExists):
        recard(promising, full_directory, promising)
    assert bundle_digest(promising) == before
