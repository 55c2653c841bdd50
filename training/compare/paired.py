"""Two recipes' answers to the test tickets of one task come in; their difference, in macro-F1 and
in accuracy, goes out.

Shapes: N tickets, S seeds of the first recipe, T of the second.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.statistics.macro_f1 import Scores, resampled_scores, scores
from service.statistics.seeds import Gap, gap
from training.compare.answers import Answers
from training.errors import TrainingError

RESAMPLES = 2000
SAME_SHARE = 0.95
"""At least so many of either side's labelled test tickets must be the other's too: a row that only
one of them could read (another task's label was broken) is no reason to refuse.
"""

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Paired:
    """first, second: mean macro-F1 over seeds on the n common tickets. left_out: labelled test
    tickets of one side alone.
    """

    first: float
    second: float
    macro_f1: Gap
    accuracy: Gap
    left_out: int


def paired(
    first: Answers,
    second: Answers,
    names: tuple[str, str],
    resamples: int = RESAMPLES,
    seed: int = 0,
    same_share: float = SAME_SHARE,
) -> Paired:
    """names: of the two sides, for messages. same_share: see SAME_SHARE; 0 takes whatever the two
    have in common.

    Raises TrainingError where the two were not tested on the same tickets with the same labels.
    """
    common = [ticket for ticket in first.truth if ticket in second.truth]
    largest = max(len(first.truth), len(second.truth))
    if not common or len(common) < same_share * largest:
        raise TrainingError(
            f"{names[0]} and {names[1]} must be tested on the same tickets: {len(common)} of "
            f"{largest} are common; use the same file, data.split_seed and shares"
        )
    if moved := sum(first.truth[ticket] != second.truth[ticket] for ticket in common):
        raise TrainingError(
            f"{moved} test tickets have other labels in {names[1]} than in {names[0]}"
        )
    labels = sorted({*_labels(first, common), *_labels(second, common)})
    truth_N, given_MN = _indices(first, second, common, {one: at for at, one in enumerate(labels)})
    seen = scores(truth_N, given_MN, len(labels))
    again = resampled_scores(truth_N, given_MN, len(labels), resamples, seed)
    return _paired(seen, again, len(first.given), len(common), _alone(first, second, common))


def _paired(seen: Scores, again: Scores, cut: int, n: int, left_out: int) -> Paired:
    """cut: the first so many models are the first recipe's."""
    macro_M, right_M = seen.macro_f1_RM[0], seen.accuracy_RM[0]
    macro_RM, right_RM = again.macro_f1_RM, again.accuracy_RM
    return Paired(
        float(macro_M[:cut].mean()),
        float(macro_M[cut:].mean()),
        gap(macro_M[:cut], macro_M[cut:], macro_RM[:, :cut], macro_RM[:, cut:], n),
        gap(right_M[:cut], right_M[cut:], right_RM[:, :cut], right_RM[:, cut:], n),
        left_out,
    )


def _alone(first: Answers, second: Answers, common: list[str]) -> int:
    return len(first.truth) + len(second.truth) - 2 * len(common)


def _labels(one: Answers, tickets: list[str]) -> set[str]:
    said = {told[ticket] for told in one.given.values() for ticket in tickets}
    return said | {one.truth[ticket] for ticket in tickets}


def _indices(
    first: Answers, second: Answers, tickets: list[str], place: Mapping[str, int]
) -> tuple[IntArray, IntArray]:
    """The truth (N,), and the answers (S + T, N) of every seed of both."""
    told = [*first.given.values(), *second.given.values()]
    truth_N = np.array([place[first.truth[ticket]] for ticket in tickets], dtype=np.int64)
    rows = [[place[one[ticket]] for ticket in tickets] for one in told]
    return truth_N, np.array(rows, dtype=np.int64)
