"""Golden tickets are odd ones, with the answers that the graph must give."""

import re
from pathlib import Path

import pytest

from service.contract.bundle import read_golden, read_manifest
from tests.export.tiny import CALIBRATION, LIMIT
from training.checkpoint import Checkpoint


@pytest.mark.parametrize("name", ["promising", "sealed"])
def test_golden_tickets_hold_the_scope_score_that_the_graph_gives(
    name: str, request: pytest.FixtureRequest
) -> None:
    bundle: Path = request.getfixturevalue(name)
    (variant,) = read_manifest(bundle).variants
    scores = [ticket.scope for ticket in read_golden(bundle, variant).tickets]
    assert {score is None for score in scores} == {name == "sealed"}


def test_golden_tickets_are_odd_ones_too(sealed: Path, checkpoint: Checkpoint) -> None:
    (variant,) = read_manifest(sealed).variants
    tickets = read_golden(sealed, variant).tickets
    texts = [ticket.subject + ticket.body for ticket in tickets]
    assert len(tickets) >= 16
    assert any(not ticket.body for ticket in tickets)
    assert any(re.search("[\u0600-\u06ff]", text) for text in texts)
    assert any("\U0001f6a8" in text for text in texts)
    tokens = [checkpoint.tokenizer.encode(text) for text in texts]
    assert any(ticket.truncated and len(ticket) == LIMIT for ticket in tokens)
    assert all(ticket.probabilities.keys() == CALIBRATION.keys() for ticket in tickets)
