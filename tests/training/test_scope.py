"""The scope score against independent implementations, and what it is worth."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.spatial.distance import mahalanobis
from scipy.stats import chi2
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score

from service.contract.tokens import Tokenizer
from tests.export.tiny import LIMIT, TASKS, tiny_encoder, tiny_network
from tests.tiny_bundle import tokenizer_definition
from training.config import ModelConfig
from training.data.dataset import Dataset, encode_rows
from training.data.sample import generate
from training.errors import CheckpointError
from training.model.network import Network
from training.scope import Mahalanobis, features, fit_scope, joined, load_scope, save_scope

CPU = torch.device("cpu")
H = 12


def drawn(tickets: int, seed: int) -> torch.Tensor:
    """Raw features, correlated and away from 0."""
    random = np.random.default_rng(seed)
    mixing_HH = np.random.default_rng(99).normal(size=(H, H))
    return torch.from_numpy(random.normal(size=(tickets, H)) @ mixing_HH + 6.0).float()


@pytest.fixture(scope="module")
def scope() -> Mahalanobis:
    return fit_scope(joined({"queue": drawn(600, 0)}).numpy())


@pytest.fixture(scope="module")
def network() -> Network:
    return tiny_network(ModelConfig(pooling="mean"))


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return encode_rows(generate(60, 3), TASKS, Tokenizer(tokenizer_definition(), LIMIT))


def test_the_score_is_scipy_s_distance_with_scikit_learn_s_covariance(scope: Mahalanobis) -> None:
    every_NH = joined({"queue": drawn(600, 0)}).double().numpy()
    spread_H = every_NH.std(axis=0)
    fitted = LedoitWolf().fit(every_NH / spread_H)
    fresh = drawn(20, 1)
    found_B = scope({"queue": fresh}).numpy()
    for score, row_H in zip(found_B, joined({"queue": fresh}).double().numpy(), strict=True):
        wanted = mahalanobis(row_H / spread_H, fitted.location_, fitted.precision_) ** 2
        assert score == pytest.approx(wanted, rel=1e-3)


def test_on_a_gaussian_it_is_chi_squared_with_one_degree_a_dimension() -> None:
    random = np.random.default_rng(3)
    mixing_HH = random.normal(size=(H, H))
    rows_NH = random.normal(size=(20_000, H)) @ mixing_HH
    fitted = fit_scope(rows_NH[:10_000])
    # The features as they are: `joined` would scale them to length 1.
    apart_NH = torch.from_numpy(rows_NH[10_000:]).float() - fitted.mean
    scores_N = (apart_NH @ fitted.whitening).square().sum(dim=1).numpy()
    for share in (0.5, 0.9, 0.99):
        assert np.mean(scores_N <= chi2.ppf(share, H)) == pytest.approx(share, abs=0.015)


def test_tickets_from_elsewhere_score_higher_and_fresh_ones_of_the_same_kind_do_not(
    scope: Mahalanobis,
) -> None:
    same, limit_set = (scope({"queue": drawn(2000, seed)}).numpy() for seed in (1, 2))
    random = np.random.default_rng(4)
    elsewhere = torch.from_numpy(random.normal(size=(400, H)) * 3.0 + 6.0).float()
    other = scope({"queue": elsewhere}).numpy()
    truth = np.r_[np.zeros(2000), np.ones(400)]
    assert roc_auc_score(truth, np.r_[same, other]) > 0.95
    limit = np.quantile(limit_set, 0.99)
    assert np.mean(same <= limit) == pytest.approx(0.99, abs=0.01)
    assert np.mean(other > limit) > 0.5


def test_the_same_text_said_longer_in_feature_space_is_strange_by_its_length_alone(
    scope: Mahalanobis,
) -> None:
    usual = drawn(1, 1)
    columns = joined({"queue": torch.cat([usual, 100.0 * usual])})
    np.testing.assert_allclose(columns[0, :H], columns[1, :H], rtol=1e-5)
    assert float(columns[1, H] - columns[0, H]) == pytest.approx(np.log(100.0), rel=1e-5)
    near, far = scope({"queue": torch.cat([usual, 100.0 * usual])}).tolist()
    assert far > 10 * near


def test_shared_features_count_once_and_features_of_their_own_stand_side_by_side() -> None:
    one, other = drawn(5, 0), drawn(5, 1)
    assert joined({"queue": one, "urgency": one}).shape == (5, H + 1)
    apart = joined({"queue": one, "urgency": other, "category": one})
    assert apart.shape == (5, 2 * (H + 1))
    torch.testing.assert_close(apart[:, H + 1 :], joined({"urgency": other}))


def test_features_that_are_all_zero_give_a_finite_score(scope: Mahalanobis) -> None:
    assert torch.isfinite(scope({"queue": torch.zeros(2, H)})).all()


def test_fewer_tickets_than_dimensions_and_equal_tickets_still_give_a_finite_score() -> None:
    few = fit_scope(joined({"queue": drawn(5, 0)}).numpy())
    equal = fit_scope(joined({"queue": drawn(1, 0).repeat(9, 1)}).numpy())
    for fitted in (few, equal):
        assert torch.isfinite(fitted({"queue": drawn(50, 1)})).all()


def test_one_ticket_has_no_covariance() -> None:
    with pytest.raises(ValueError, match="at least 2 tickets, found 1"):
        fit_scope(joined({"queue": drawn(1, 0)}).numpy())


def test_features_are_those_of_each_ticket_alone_whatever_its_company(
    network: Network, dataset: Dataset
) -> None:
    found_NH = features(network, dataset, CPU)
    assert found_NH.shape == (60, tiny_encoder().width + 1)
    order = np.concatenate(list(dataset.by_length()))
    for place in (0, 17, 59):
        batch = dataset.batch([order[place]])
        with torch.inference_mode():
            alone = joined(network.trunk(batch.ids, batch.mask))
        np.testing.assert_allclose(found_NH[place], alone[0], atol=1e-5)


def test_at_most_so_many_tickets_are_read_spread_over_the_whole_set(
    network: Network, dataset: Dataset
) -> None:
    done: list[int] = []
    every_NH = features(network, dataset, CPU)
    some_NH = features(network, dataset, CPU, most=7, on_progress=done.append)
    assert len(some_NH) == done[-1] == 7
    order = np.concatenate(list(dataset.by_length())).tolist()
    for position in (0, 59):
        gaps = np.abs(some_NH - every_NH[order.index(position)]).max(axis=1)
        assert gaps.min() < 1e-5


def test_a_saved_score_comes_back_bit_for_bit(scope: Mahalanobis, tmp_path: Path) -> None:
    save_scope(tmp_path / "scope.safetensors", scope)
    again = load_scope(tmp_path / "scope.safetensors")
    assert torch.equal(again({"queue": drawn(9, 1)}), scope({"queue": drawn(9, 1)}))
    save_scope(tmp_path / "again.safetensors", again)
    assert (tmp_path / "again.safetensors").read_bytes() == (
        tmp_path / "scope.safetensors"
    ).read_bytes()


@pytest.mark.parametrize(
    ("parts", "cause"),
    [
        ({"mean": torch.zeros(3)}, r"must hold mean and whitening, found \['mean'\]"),
        (
            {"mean": torch.zeros(3), "whitening": torch.zeros(3, 2)},
            r"whitening must be \(3, 3\), found \(3, 2\)",
        ),
    ],
)
def test_a_file_that_holds_something_else_is_refused(
    parts: dict[str, torch.Tensor], cause: str, tmp_path: Path
) -> None:
    save_file(parts, tmp_path / "scope.safetensors")
    with pytest.raises(CheckpointError, match=cause):
        load_scope(tmp_path / "scope.safetensors")


def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "scope.safetensors").write_bytes(b"no tensors")
    with pytest.raises(CheckpointError, match=r"scope\.safetensors cannot be read"):
        load_scope(tmp_path / "scope.safetensors")
