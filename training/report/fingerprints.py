"""A finished run comes in; what it was made of, each by its digest, and what it costs to serve, go
out.
"""

from collections.abc import Mapping

from training.checkpoint import Facts


def fingerprints(digest: str, facts: Facts, config: str | None) -> Mapping[str, str]:
    """Digests by what they are of; config: that of the run's whole configuration, if known."""
    found = {
        "Checkpoint": digest,
        "Data": facts.data_fingerprint,
        "Code": facts.code_fingerprint,
    }
    serving = facts.metrics.get("serving")
    if serving is not None:
        parameters = serving["parameters"] / 1e6
        found["Serving"] = f"{serving['passes']:g} passes a ticket, {parameters:.1f} M parameters"
    return found if config is None else {**found, "Configuration": config}
