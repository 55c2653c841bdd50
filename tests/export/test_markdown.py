"""Sections of a card are put in, replaced and taken out."""

from export.card.markdown import with_section, without_section


def test_a_section_replaces_the_one_of_its_heading_or_stands_before_the_limits() -> None:
    card = "# A\n\n## B\n\nold\n\n## What not to use it for\n\n- x\n"
    assert with_section(card, "## B\n\nnew") == card.replace("old", "new")
    assert with_section(card, "## C\n\nnew") == card.replace("## What", "## C\n\nnew\n\n## What")
    assert with_section("# A\n", "## C\n\nnew") == "# A\n\n## C\n\nnew\n"


def test_a_section_that_is_taken_out_leaves_the_others_alone() -> None:
    card = "# A\n\n## B\n\nold\n\n## C\n\n- x\n"
    assert without_section(card, "B") == "# A\n\n## C\n\n- x\n"
    assert without_section(card, "D") == card
