"""A finished run comes in; what it was made of, each by its digest, goes out."""

from collections.abc import Mapping

from training.checkpoint import Facts


def fingerprints(digest: str, facts: Facts, config: str | None) -> Mapping[str, str]:
    """Digests by what they are of; config: that of the run's whole configuration, if known."""
    found = {
        "Checkpoint": digest,
        "Data": facts.data_fingerprint,
        "Code": facts.code_fingerprint,
    }
    return found if config is None else {**found, "Configuration": config}
