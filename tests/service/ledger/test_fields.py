"""The ledger keeps of a ticket's metadata what the operator named."""

from service.ledger.fields import KeptFields


def test_the_named_scalars_are_kept_as_text() -> None:
    fields = KeptFields("team, tier,vip ,none")
    given = {"team": "x" * 100, "tier": 3, "vip": True, "none": None, "other": "y"}
    assert fields.of(given) == {"team": "x" * 64, "tier": "3", "vip": "true"}
    assert fields.of({"team": ["a"]}) == {}
    assert fields.of(None) == {}
