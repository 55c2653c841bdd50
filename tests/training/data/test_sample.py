"""The generated desk: the same for a seed, of Harbor's shape, and hard enough."""

from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.data.files import TASKS
from training.data.duplicates import near_duplicate_groups
from training.data.read import infer_tasks, read_table
from training.data.sample import calendar, generate, write_csv
from training.data.sample.agents import CATEGORIES, COVERAGE, QUEUES, URGENCIES
from training.data.sample.grammar import phrase, read_templates, slot_names
from training.data.sample.issues import all_issues
from training.data.sample.noise import mistype
from training.data.sample.vocabulary import SLOTS
from training.data.table import Row, Table
from training.errors import ConfigError


@pytest.fixture(scope="module")
def desk() -> list[Row]:
    return generate(2000, seed=7)


def test_the_same_seed_gives_the_same_desk_and_another_seed_another(desk: list[Row]) -> None:
    assert generate(50, seed=7) == desk[:50]
    assert generate(50, seed=8) != desk[:50]


def test_a_larger_desk_begins_with_the_smaller_one() -> None:
    assert generate(40, seed=3)[:15] == generate(15, seed=3)


def test_the_desk_has_twelve_categories_four_urgencies_and_eight_queues(desk: list[Row]) -> None:
    tasks = {task.name: task for task in infer_tasks(Table(tuple(desk)), list(COVERAGE))}
    assert tasks["category"].labels == CATEGORIES
    assert tasks["urgency"].labels == URGENCIES
    assert tasks["queue"].labels == QUEUES
    assert [len(CATEGORIES), len(URGENCIES), len(QUEUES)] == [12, 4, 8]
    assert {"billing", "technical"} < set(CATEGORIES)
    assert "payments" in QUEUES


@pytest.mark.parametrize("task", list(COVERAGE))
def test_labels_are_missing_in_harbors_proportions(desk: list[Row], task: str) -> None:
    share = sum(task in row.labels for row in desk) / len(desk)
    assert abs(share - COVERAGE[task]) < 0.04


def test_no_label_is_rare(desk: list[Row]) -> None:
    table = Table(tuple(desk))
    for task in COVERAGE:
        counts = table.label_counts(task)
        assert min(counts.values()) > 0.03 * sum(counts.values())


def test_the_queue_is_related_to_the_category_but_no_function_of_it(desk: list[Row]) -> None:
    pairs = Counter(
        (row.labels["category"], row.labels["queue"])
        for row in desk
        if {"category", "queue"} <= row.labels.keys()
    )
    likeliest = sum(
        max(count for (found, _), count in pairs.items() if found == category)
        for category in CATEGORIES
    )
    assert 0.45 < likeliest / sum(pairs.values()) < 0.8


def test_texts_are_short_and_long(desk: list[Row]) -> None:
    words = sorted(len(row.text.split()) for row in desk)
    assert words[len(words) // 100] <= 8
    assert words[-1] > 300


def test_few_rows_are_near_duplicates(desk: list[Row]) -> None:
    groups = near_duplicate_groups([row.text for row in desk])
    assert len(set(groups)) > 0.98 * len(desk)


def test_the_desk_reads_back_without_a_reject(desk: list[Row], tmp_path: Path) -> None:
    for name in ("desk.csv", "desk.csv.gz"):
        write_csv(tmp_path / name, desk)
        table, rejects = read_table(tmp_path / name, TASKS)
        assert rejects.rejected_rows == 0
        assert len(table) > 0.99 * len(desk)
    first = (tmp_path / "desk.csv.gz").read_bytes()
    write_csv(tmp_path / "desk.csv.gz", desk)
    assert (tmp_path / "desk.csv.gz").read_bytes() == first


def test_ids_are_unique_and_rise_with_the_time(desk: list[Row]) -> None:
    by_id = sorted(desk, key=lambda row: int(row.id))
    assert len({row.id for row in desk}) == len(desk)
    times = [row.created_at for row in by_id if row.created_at]
    assert times == sorted(times)
    assert (times[-1] - times[0]).days > 300


def test_every_template_names_known_slots_only() -> None:
    for issue in all_issues():
        templates = (*issue.phrases, *issue.subjects, *issue.opens, *issue.details)
        for template in (*templates, *issue.asks, *issue.briefs):
            assert slot_names(template) <= SLOTS
    for name, own in (("impact", set()), ("asides", {"other"}), ("follow_ups", {"own", "other"})):
        for templates in read_templates(name).values():
            assert set().union(*map(slot_names, templates)) <= SLOTS | own


def test_every_category_has_issues_and_each_can_be_drawn() -> None:
    assert {issue.category for issue in all_issues()} == set(CATEGORIES)
    assert {issue.queue for issue in all_issues()} <= set(QUEUES)
    assert {issue.also[0] for issue in all_issues() if issue.also} <= set(CATEGORIES)


def test_a_choice_may_be_empty_or_hold_choices() -> None:
    found = {phrase("a[ b| [c|d {x}]|]", {"x": "e"}, Random(seed)) for seed in range(60)}
    assert found == {"a b", "a c", "a d e", "a"}


@pytest.mark.parametrize("template", ["[a|b", "a]", "a|b]"])
def test_unbalanced_templates_are_refused(template: str) -> None:
    with pytest.raises(ValueError, match="bracket"):
        phrase(template, {}, Random(1))


@given(st.text(max_size=200), st.integers())
def test_typing_errors_leave_numbers_and_marks_alone(text: str, seed: int) -> None:
    def rest(some: str) -> str:
        return "".join(letter for letter in some if not letter.isalpha())

    assert rest(mistype(Random(seed), text, 0.5)).replace("'", "") == rest(text).replace("'", "")


@given(st.integers(0, calendar.PLACES - 2))
def test_time_never_runs_backwards(place: int) -> None:
    assert calendar.time_of(place) <= calendar.time_of(place + 1)


def test_a_desk_beyond_the_years_room_is_refused() -> None:
    with pytest.raises(ConfigError, match="at most"):
        calendar.place_of(calendar.PLACES, seed=1)


@pytest.mark.slow
def test_a_bag_of_words_learns_the_desk_and_does_not_solve_it() -> None:
    """TF-IDF with logistic regression, as the reference; the bands are wide on purpose."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score

    rows = generate(4000, seed=7)
    for task, low, high in (
        ("category", 0.75, 0.88),
        ("queue", 0.6, 0.8),
        ("urgency", 0.42, 0.65),
    ):
        labelled = [row for row in rows if task in row.labels]
        cut = int(0.7 * len(labelled))
        train, test = labelled[:cut], labelled[cut:]
        vectorizer = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2)
        features = vectorizer.fit_transform([row.text for row in train])
        model = LogisticRegression(C=10, max_iter=1000, class_weight="balanced")
        model.fit(features, [row.labels[task] for row in train])
        found = model.predict(vectorizer.transform([row.text for row in test]))
        score = f1_score([row.labels[task] for row in test], found, average="macro")
        assert low < score < high
