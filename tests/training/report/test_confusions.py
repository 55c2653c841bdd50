"""The confusion matrix: the rows are the truth, and no ticket is lost when labels are left out."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from service.contract.tasks import Task
from training.report.confusions import confusions
from training.report.outcome import Outcome

CLASSES = 6
TASK = Task(name="product", labels=tuple("abcdef"))


def seen() -> Outcome:
    chance = np.random.default_rng(1)
    probabilities_NC = chance.dirichlet(np.full(CLASSES, 0.5), 300)
    labels_N = chance.choice(CLASSES - 1, 300, p=[0.4, 0.25, 0.17, 0.1, 0.08])
    inside_N = np.ones(300, dtype=bool)
    return Outcome(TASK, probabilities_NC, probabilities_NC, labels_N, inside_N)


def test_counts_recall_and_precision_are_scikit_learn_s() -> None:
    one = seen()
    told = one.told()
    found = confusions(one, told)
    counts = [list(line.counts) for line in found.lines]
    expected = confusion_matrix(one.labels_N, told.chosen_N, labels=range(CLASSES))
    assert counts == expected.tolist()
    precision, recall, _, _ = precision_recall_fscore_support(
        one.labels_N, told.chosen_N, labels=range(CLASSES), zero_division=0.0
    )
    assert [line.precision for line in found.lines] == pytest.approx(precision.tolist())
    assert [line.recall or 0.0 for line in found.lines] == pytest.approx(recall.tolist())
    assert found.lines[5].recall is None


def test_rarer_labels_stand_together_and_no_ticket_is_lost() -> None:
    one = seen()
    told = one.told()
    found = confusions(one, told, most=4)
    assert found.labels == ("a", "b", "c", "(3 others)")
    assert found.left_out == 3
    assert sum(line.tickets for line in found.lines) == 300
    assert [sum(line.counts) for line in found.lines] == [line.tickets for line in found.lines]


def test_one_rare_label_given_for_another_is_not_right() -> None:
    one = seen()
    told = one.told()
    last = confusions(one, told, most=4).lines[-1]
    rare_N = one.labels_N >= 3
    assert last.recall == pytest.approx(told.right_N[rare_N].mean())
    assert last.counts[-1] > told.right_N[rare_N].sum()


def test_the_pairs_name_true_and_given_label() -> None:
    one = seen()
    told = one.told()
    pair = confusions(one, told).pairs[0]
    wrong_N = (one.labels_N == TASK.labels.index(pair.first)) & (
        told.chosen_N == TASK.labels.index(pair.second)
    )
    assert pair.count == wrong_N.sum() > 0
