"""Masked language modelling: what is drawn, what is shown, and what any cut of a batch keeps."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from torch.nn import functional

from tests.training.objectives.network import DEFINITION, passes, step_loss, tickets, tiny_network
from training.config.objectives import MaskedConfig
from training.errors import ConfigError
from training.model.network import Network
from training.objectives.masked_language import HIDDEN, SWAPPED, MaskedLanguage

NETWORK, DATASET = tiny_network(), tickets()


def objective(
    network: Network = NETWORK, share: float = 0.15, weight: float = 0.1, seed: int = 7
) -> MaskedLanguage:
    torch.manual_seed(1)
    settings = MaskedConfig(weight=weight, share=share)
    return MaskedLanguage(network.trunk.encoder, DEFINITION, settings, seed)


def draws(masked: MaskedLanguage, steps: int) -> list[tuple[int, int, int]]:
    """Over all tickets and so many steps: (place, true id, shown id) of each token to guess."""
    positions_B = np.arange(len(DATASET))
    found = []
    for step in range(steps):
        masked.begin(DATASET, positions_B, step)
        for position, draw in zip(positions_B, masked._draws, strict=True):
            true_L = DATASET.tokens[position].ids
            found += [
                (int(place), int(true_L[place]), int(shown))
                for place, shown in zip(draw.places_K, draw.shown_K, strict=True)
            ]
    return found


def within(count: int, trials: int, chance: float) -> bool:
    """Whether a count is one that chance gives all but once in a million times."""
    low, high = binom.interval(1.0 - 1e-6, trials, chance)
    return bool(low <= count <= high)


@pytest.mark.parametrize("share", [0.15, 0.5])
def test_the_share_of_words_that_are_to_be_guessed_is_the_stated_one(share: float) -> None:
    masked, steps = objective(share=share), 40
    words = sum(int(masked.vocabulary.is_word[ticket.ids].sum()) for ticket in DATASET.tokens)
    assert within(len(draws(masked, steps)), words * steps, share)


def test_of_these_eight_in_ten_are_hidden_one_is_swapped_and_one_stays() -> None:
    masked = objective(share=0.5)
    found = draws(masked, 60)
    hidden = sum(shown == masked.vocabulary.mask for _, _, shown in found)
    stays = sum(shown == true for _, true, shown in found)
    words = len(masked.vocabulary.words)
    assert within(hidden, len(found), HIDDEN)
    # A word that is drawn to be swapped for itself stays as well.
    assert within(stays, len(found), 1.0 - HIDDEN - SWAPPED + SWAPPED / words)


def test_special_tokens_are_neither_guessed_nor_swapped_in() -> None:
    masked = objective(share=0.9)
    is_word = masked.vocabulary.is_word
    found = draws(masked, 30)
    assert all(is_word[true] for _, true, _ in found)
    assert all(is_word[shown] or shown == masked.vocabulary.mask for _, _, shown in found)


def test_every_word_is_swapped_in_alike() -> None:
    masked = objective(share=0.9)
    swapped = [
        shown
        for _, true, shown in draws(masked, 150)
        if shown not in {true, masked.vocabulary.mask}
    ]
    counts = np.bincount(swapped, minlength=len(masked.vocabulary.is_word))
    words = masked.vocabulary.words
    assert within(int(counts[words[: len(words) // 2]].sum()), len(swapped), 0.5)
    assert len(np.unique(swapped)) == len(words)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 8), min_size=1, max_size=3), st.integers(0, 9))
def test_a_batch_may_be_cut_in_any_way(cuts: list[int], step: int) -> None:
    masked = objective()
    with torch.no_grad():
        whole = step_loss(masked, NETWORK, DATASET, [sum(cuts)], step)
        found = step_loss(masked, NETWORK, DATASET, cuts, step)
    torch.testing.assert_close(found, whole, rtol=0.0, atol=1e-6)


def test_a_cut_batch_has_the_gradient_of_the_whole() -> None:
    slopes = []
    for cuts in ([12], [5, 1, 6]):
        network = tiny_network()
        masked = objective(network)
        step_loss(masked, network, DATASET, cuts).backward()
        encoder = network.trunk.encoder
        slopes.append([one.grad for one in (*encoder.parameters(), *masked.parameters())])
    for whole, cut in zip(*slopes, strict=True):
        assert whole is not None
        assert cut is not None
        torch.testing.assert_close(cut, whole, rtol=0.0, atol=1e-6)


def test_a_ticket_s_draw_does_not_depend_on_its_company() -> None:
    masked = objective()
    masked.begin(DATASET, np.array([3, 17, 9]), 5)
    beside = masked._draws[1]
    masked.begin(DATASET, np.array([17]), 5)
    alone = masked._draws[0]
    np.testing.assert_array_equal(beside.places_K, alone.places_K)
    np.testing.assert_array_equal(beside.shown_K, alone.shown_K)


def test_steps_and_seeds_draw_anew_and_the_same_ones_draw_the_same() -> None:
    found = [draws(objective(seed=seed), 2) for seed in (7, 7, 8)]
    assert found[0] == found[1]
    assert found[0] != found[2]
    masked = objective()
    first = draws(masked, 1)
    assert draws(masked, 2)[len(first) :] != first


def test_the_loss_is_the_weighted_mean_over_the_tokens_to_guess() -> None:
    masked = objective(share=0.3, weight=0.25)
    found = step_loss(masked, NETWORK, DATASET, [10], step=3)
    embeddings_VH = NETWORK.trunk.encoder.get_input_embeddings().weight
    costs = []
    for position in range(10):
        draw, true_L = masked._draws[position], torch.from_numpy(DATASET.tokens[position].ids)
        shown_L = true_L.clone()
        shown_L[draw.places_K] = torch.from_numpy(draw.shown_K)
        said_LH = NETWORK.trunk.encoder(input_ids=shown_L[None]).last_hidden_state[0]
        logits_LV = masked.head(said_LH) @ embeddings_VH.T + masked.bias_V
        wanted_K = true_L[draw.places_K]
        costs += functional.cross_entropy(logits_LV[draw.places_K], wanted_K, reduction="none")
    expected = 0.25 * torch.stack(costs).mean()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_a_pass_without_a_token_to_guess_has_no_loss() -> None:
    masked = objective(share=1e-9)
    positions_B = np.arange(4)
    masked.begin(DATASET, positions_B, 0)
    found = [masked.loss(NETWORK, part) for part in passes(NETWORK, DATASET, positions_B, [1, 3])]
    assert found == [None, None]


def test_an_empty_pass_has_no_loss() -> None:
    masked = objective(share=0.9)
    positions_B = np.arange(4)
    masked.begin(DATASET, positions_B, 0)
    part = next(passes(NETWORK, DATASET, positions_B, [4]))
    nobody = type(part)(part.batch, np.zeros(0, dtype=np.int64), {}, {})
    assert masked.loss(NETWORK, nobody) is None


def test_the_word_embeddings_stay_the_encoder_s() -> None:
    masked = objective()
    shared = {id(one) for one in NETWORK.trunk.encoder.parameters()}
    assert not shared & {id(one) for one in masked.parameters()}
    words, width = NETWORK.trunk.encoder.get_input_embeddings().weight.shape
    assert sum(one.numel() for one in masked.parameters()) == width**2 + 3 * width + words


def test_guessing_is_learned() -> None:
    network = tiny_network()
    masked = objective(network, weight=1.0)
    learned = [*network.trunk.encoder.parameters(), *masked.parameters()]
    optimizer = torch.optim.Adam(learned, 3e-3)
    before = float(step_loss(masked, network, DATASET, [24]).detach())
    for _ in range(30):
        optimizer.zero_grad()
        step_loss(masked, network, DATASET, [24]).backward()
        optimizer.step()
    assert float(step_loss(masked, network, DATASET, [24]).detach()) < 0.5 * before


def test_a_frozen_encoder_is_refused() -> None:
    network = tiny_network()
    network.trunk.encoder.requires_grad_(requires_grad=False)
    with pytest.raises(ConfigError, match=r"masked.weight .* allowed: tuned"):
        objective(network)
