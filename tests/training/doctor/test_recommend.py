"""The decision table: its first rule that holds decides, and one always does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.config.sharing import (
    BottleneckConfig,
    ConditionedConfig,
    CrossStitchConfig,
    HardConfig,
    LoraConfig,
    MmoeConfig,
    PleConfig,
    PrefixConfig,
    SluiceConfig,
    SoftConfig,
)
from training.doctor.recommend import RULES, Facts, decide, recommend

KNOWN = {
    kind.model_fields["scheme"].default
    for kind in (
        HardConfig, SoftConfig, CrossStitchConfig, SluiceConfig, LoraConfig, BottleneckConfig,
        ConditionedConfig, PrefixConfig, MmoeConfig, PleConfig,
    )
}  # fmt: skip
DESK = Facts(
    tasks=3,
    scarcest=2_000,
    largest=9_000,
    related=0.3,
    derived=False,
    conflicts=None,
    passes=1.0,
)


def changed(**changes: object) -> Facts:
    return Facts(**{**vars(DESK), **changes})


@pytest.mark.parametrize(
    ("facts", "approach"),
    [
        (DESK, "hard sharing"),
        (changed(tasks=1), "single-task model"),
        (changed(derived=True), "derive that task by rule and train the rest"),
        (changed(conflicts=1, passes=3.0), "single-task models, or soft sharing"),
        (changed(conflicts=1, passes=2.0), "adapters on the top layers"),
        (
            changed(conflicts=1),
            "experts with a gate a task, or hard sharing with a gradient method",
        ),
        (changed(scarcest=300), "hard sharing, sampling by temperature"),
        (changed(scarcest=50_000, related=0.0, passes=3.0), "single-task models"),
        (changed(scarcest=50_000, related=0.0), "hard sharing"),
        (changed(conflicts=0), "hard sharing"),
    ],
)
def test_the_table_decides(facts: Facts, approach: str) -> None:
    assert decide(facts).approach == approach


@given(
    st.builds(
        Facts,
        tasks=st.integers(1, 32),
        scarcest=st.integers(0, 10**6),
        largest=st.integers(0, 10**6),
        related=st.floats(0, 1),
        derived=st.booleans(),
        conflicts=st.none() | st.integers(0, 30),
        passes=st.floats(1, 64),
    )
)
def test_every_desk_gets_an_approach_and_no_scheme_beyond_its_budget_of_one_pass(
    facts: Facts,
) -> None:
    rule = decide(facts)
    assert rule in RULES
    if facts.passes < 2.0 and not facts.conflicts:
        assert rule.schemes == ("hard",)


def test_every_scheme_that_the_table_names_exists() -> None:
    assert {scheme for rule in RULES for scheme in rule.schemes} <= KNOWN


def test_another_scheme_than_the_recommended_is_warned_of_with_what_to_try() -> None:
    assert recommend(DESK, "hard").verdict == "pass"
    found = recommend(changed(conflicts=1, passes=2.0), "mmoe")
    assert found.verdict == "warn"
    assert "try lora or bottleneck or conditioned" in found.remedy
    assert "arXiv:1902.00751" in found.said
