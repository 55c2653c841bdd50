"""Each fault that a test plants is found by its check, and by no other task's."""

import random
from dataclasses import replace

import pytest

from service.contract.tasks import Task
from tests.training.audit.planted import TASKS, amended, labelled, material, of, rows
from training.audit import columns, label_pairs, splits, words
from training.audit.finding import Finding, Severity
from training.data.sample.agents import CATEGORIES
from training.data.table import Row

TEAMS = {label: f"team-{place // 2}" for place, label in enumerate(CATEGORIES)}
FUNCTION = (TASKS[0], Task(name="queue", labels=tuple(sorted(set(TEAMS.values())))))


def by_category(slip: float) -> list[Finding]:
    """The findings where the queue follows from the category, but for a share of slips."""
    chance = random.Random(3)

    def change(_: int, row: Row) -> Row:
        label = row.labels.get("category", CATEGORIES[0])
        team = chance.choice(list(TEAMS.values())) if chance.random() < slip else TEAMS[label]
        return labelled(row, category=label, queue=team)

    return label_pairs.check(material(amended(change), FUNCTION))


def tagged(share: float, tag: str) -> list[Finding]:
    """The findings where so many tickets bear a tag made from their category."""
    chance = random.Random(4)

    def change(_: int, row: Row) -> Row:
        label = row.labels.get("category")
        if label is None or chance.random() >= share:
            return row
        return replace(row, body=f"{row.body}\n{tag.format(CATEGORIES.index(label), label)}")

    return words.check(material(amended(change)))


@pytest.mark.parametrize(("slip", "severity"), [(0.0, "fail"), (0.2, "warn"), (0.9, "pass")])
def test_a_label_that_follows_from_another_is_found(slip: float, severity: Severity) -> None:
    found = by_category(slip)
    assert of(found, label_pairs.CHECK, "queue from category").severity == severity
    assert of(found, label_pairs.CHECK, "category from queue").severity == "pass"


def test_an_auxiliary_task_may_be_a_function_of_a_primary_one() -> None:
    helper = FUNCTION[1].model_copy(update={"role": "auxiliary"})

    def change(_: int, row: Row) -> Row:
        label = row.labels.get("category", CATEGORIES[0])
        return labelled(row, category=label, queue=TEAMS[label])

    found = label_pairs.check(material(amended(change), (TASKS[0], helper)))
    assert of(found, label_pairs.CHECK, "queue from category").severity == "warn"


@pytest.mark.parametrize(("share", "severity"), [(0.95, "fail"), (0.65, "warn"), (0.3, "pass")])
def test_a_word_that_stands_for_a_label_is_found(share: float, severity: Severity) -> None:
    found = of(tagged(share, "routing-code-{0}x"), words.WORDS, "category")
    assert found.severity == severity
    if severity != "pass":
        assert found.low is not None
        assert found.low < found.figure
        assert "x'" in found.said


def test_a_labels_own_name_in_the_text_is_found() -> None:
    found = tagged(0.95, "assigned to {1}")
    named = of(found, words.NAMES, "category")
    assert named.severity == "fail"
    assert named.figure == pytest.approx(0.9, abs=0.08)
    assert of(found, words.NAMES, "queue").severity == "pass"


def test_a_frequent_label_makes_no_word_suspicious() -> None:
    skewed = amended(lambda place, row: labelled(row, urgency="P2" if place % 50 else "P0"))
    assert of(words.check(material(skewed)), words.WORDS, "urgency").severity == "pass"


def test_texts_too_few_for_a_word_to_repeat_pass() -> None:
    few = material(rows()[:15])
    assert {one.severity for one in words.check(few)} == {"pass"}


def test_a_source_that_tells_the_label_is_found() -> None:
    found = columns.check(
        material(amended(lambda _, row: replace(row, source=row.labels.get("queue", "mail"))))
    )
    assert of(found, columns.LABEL, "queue from source").severity == "fail"
    assert of(found, columns.LABEL, "urgency from source").severity == "pass"


def test_an_empty_subject_that_tells_who_has_a_label_is_found() -> None:
    found = columns.check(
        material(
            amended(
                lambda place, row: (
                    replace(row, subject="")
                    if "queue" not in row.labels
                    else replace(row, subject=row.subject or "hello")
                    if place % 20
                    else row
                )
            )
        )
    )
    assert of(found, columns.MISSING, "queue by subject empty").severity == "warn"
    assert of(found, columns.MISSING, "category by subject empty").severity == "pass"


def test_splits_cut_from_a_sorted_file_fail() -> None:
    by_label = sorted(rows(), key=lambda row: row.labels.get("category", "~"))
    names = ("train",) * 6 + ("validation", "test") * 2
    given = {row.id: names[place * 10 // len(by_label)] for place, row in enumerate(by_label)}
    found = splits.check(material(by_label, given=given))
    cut = of(found, splits.BALANCE, "category")
    assert cut.severity == "fail"
    assert "never trained" in cut.said
    assert of(found, splits.BALANCE, "urgency").severity == "pass"


def test_a_rare_label_that_only_the_test_split_has_is_warned_of() -> None:
    tickets = amended(lambda place, row: labelled(row, urgency="P0" if place == 14 else "P1"))
    found = of(splits.check(material(tickets)), splits.BALANCE, "urgency")
    assert found.severity == "warn"
    assert "1 labels are tested and never trained" in found.said
