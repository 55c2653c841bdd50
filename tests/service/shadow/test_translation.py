from hypothesis import given
from hypothesis import strategies as st

from service.contract.tasks import Task
from service.shadow.translation import Translation

OURS = Task(name="category", labels=("billing", "technical", "account"))
THEIRS = Task(name="category", labels=("Billing & Invoices", "Refunds", "technical", "Other"))
TABLE = {"category": {"Billing & Invoices": "billing", "Refunds": "billing"}}


def test_a_table_translates_and_equal_labels_need_no_line() -> None:
    translate = Translation(TABLE, lambda: (OURS,))

    assert translate("category", "Billing & Invoices") == "billing"
    assert translate("category", "technical") == "technical"


def test_what_nobody_translated_is_not_guessed() -> None:
    translate = Translation(TABLE, lambda: (OURS,))

    for label in ("Other", "Technical", "technical ", ""):
        assert translate("category", label) is None
    assert translate("queue", "payments") is None


def test_a_label_that_the_bundle_no_longer_has_leads_nowhere() -> None:
    tasks = [OURS]
    translate = Translation(TABLE, lambda: tasks)

    tasks[0] = Task(name="category", labels=("technical", "account"))

    assert translate("category", "Refunds") is None


def test_the_other_way_is_known_where_one_label_was_meant() -> None:
    table = {"category": {"Billing & Invoices": "billing"}}
    translate = Translation(table, lambda: (THEIRS,))

    assert translate.back("category", "billing") == "Billing & Invoices"
    assert translate.back("category", "technical") == "technical"
    assert translate.back("category", "account") is None


def test_the_other_way_is_not_guessed_where_two_labels_were_meant() -> None:
    assert Translation(TABLE, lambda: (THEIRS,)).back("category", "billing") is None


@given(st.dictionaries(st.sampled_from(THEIRS.labels), st.sampled_from(OURS.labels)))
def test_going_there_and_back_gives_the_label_or_nothing(table: dict[str, str]) -> None:
    there = Translation({"category": table}, lambda: (OURS,))
    back = Translation({"category": table}, lambda: (THEIRS,))

    for label in THEIRS.labels:
        translated = there("category", label)
        if translated is not None:
            assert back.back("category", translated) in (label, None)
