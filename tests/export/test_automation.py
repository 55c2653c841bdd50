"""The card says in words what is promised, and from which confidence on."""

from pathlib import Path

from export.card.promises import described
from service.contract.bundle import read_manifest
from service.contract.promises import Costs, Evidence, Promise, Share, Threshold
from service.contract.tasks import Task

TASK = Task(name="queue", labels=("a", "b", "c"))


def test_the_card_says_in_words_what_is_promised(promising: Path) -> None:
    card = (promising / "MODEL_CARD.md").read_text(encoding="utf-8")
    (variant,) = read_manifest(promising).variants
    threshold = variant.thresholds["category"]
    assert threshold.promise is not None
    found = threshold.promise.evidence
    for fact in (
        "## Automation",
        f"**category** is `auto` from a confidence of {threshold.auto:.3f} on",
        "Promise: an `auto` answer is right at least 90.0 % of the time.",
        "Promise: at least 50.0 % of the tickets are `auto`.",
        f"Seen on 800 labelled tickets: {found.accepted} were `auto`, {found.right} of these",
        f"Expect {100 * found.coverage.value:.1f} %",
    ):
        assert fact in card


def test_costs_own_thresholds_and_a_person_s_choice_are_told_in_words() -> None:
    whole = Share(value=1.0, low=0.5, high=1.0)
    evidence = Evidence(tickets=9, accepted=0, right=0, precision=None, coverage=whole)
    cost = {"mean": 0.25, "low": 0.2, "high": 0.3, "all_auto": 0.5, "all_human": 3.0}
    threshold = Threshold.model_validate(
        {
            "auto": 0.8,
            "by_label": {"a": 0.9, "b": None},
            "choose": "expected_cost",
            "costs": Costs(matrix=((0.0, 1.0), (1.0, 0.0)), human=3.0),
            "promise": Promise.model_validate(
                {"kind": "cost", "evidence": {**evidence.model_dump(), "cost": cost}}
            ),
        }
    )
    words = described(TASK, threshold)
    for fact in (
        "Labels with a threshold of their own for `auto`: a from 0.900.",
        "Labels that are never `auto`: b.",
        "The label given is that of least expected cost",
        "costs a ticket the least on average",
        "Seen on 9 labelled tickets: 0 were `auto`.",
        "A ticket cost 0.25 on average (95 % interval 0.2 to 0.3)",
        "0.5 if all were `auto`, 3 if an agent decided all.",
    ):
        assert fact in words
    assert "**queue** is `auto` from a confidence of 0.800 on" in words
    assert "A person set this: nothing is promised." in described(TASK, Threshold(auto=0.8))


def test_a_threshold_that_is_no_label_s_is_not_told() -> None:
    rest_never = Threshold(auto=1.0, suggest=0.5, by_label={"a": 0.9, "b": None, "c": None})
    words = described(TASK, rest_never)
    assert "**queue** is `auto` by the label, `suggest` from a confidence of 0.500 on." in words
    assert "Labels with a threshold of their own for `auto`: a from 0.900." in words
    assert "Labels that are never `auto`: b, c." in words
    assert "1.000" not in words
