"""A configuration, its tickets and what earlier training left come in; the checklist goes out."""

from itertools import permutations
from pathlib import Path

import numpy as np

from training.audit.association import lookup
from training.audit.audit import audit_of
from training.audit.finding import Audit, Severity
from training.audit.label_pairs import CHECK as LABEL_PAIRS
from training.audit.label_pairs import FEW
from training.audit.material import gather, only
from training.audit.tickets import Tickets, affordable
from training.config import RunConfig
from training.diagnostics.verdict import judge_pairs
from training.doctor import labels, training_facts
from training.doctor.check import Check, check
from training.doctor.drawing import drawing
from training.doctor.evidence import Evidence, check_same_tickets, read_evidence
from training.doctor.lengths import lengths
from training.doctor.recommend import Facts, recommend
from training.noise import doubts_of

LEAKAGE = "leakage"
MOST_NOISE = 3_000
"""So many tickets, drawn by chance, are enough for an estimate of label noise."""
MOST_CHARACTERS = 1 << 23
"""Of those tickets, where a run streams them: they alone are held."""
FOLDS = 3


def examine(
    data: Path,
    config: RunConfig,
    run: Path | None = None,
    baselines: Path | None = None,
    *,
    passes: float = 1.0,
) -> list[Check]:
    """Every item of the checklist, in its order; nothing is trained but a bag of words.

    run: a directory of `harbor-train run`, for what only training shows. baselines: the directory
    of `harbor-train baselines`. passes: what serving may cost at most, in passes of the encoder a
    ticket. Raises TrainingError where a run would refuse the tickets, and where
    `run` or `baselines` were trained on others.
    """
    evidence = read_evidence(run, baselines)
    with gather(data, config) as material:
        check_same_tickets(evidence, material.fingerprint)
        return _examined(material, data.name, config, evidence, passes)


def _examined(
    material: Tickets, name: str, config: RunConfig, evidence: Evidence, passes: float
) -> list[Check]:
    audit = audit_of(material, name)
    return [
        *labels.counts(material),
        *labels.noise(doubts_of(drawn(material, MOST_NOISE), FOLDS)),
        *labels.sizes(material),
        leakage(audit),
        drawing(material, config),
        training_facts.scales(material.tasks, config, evidence),
        training_facts.cosine(evidence),
        training_facts.stopping(material.tasks, config, evidence),
        training_facts.baselines(material.tasks, evidence),
        *training_facts.calibration(material.tasks, evidence),
        lengths(material, config.model),
        recommend(facts_of(material, audit, evidence, passes), config.model.sharing.scheme),
    ]


def leakage(audit: Audit) -> Check:
    """The audit in one line."""
    counts = audit.counts()
    verdict: Severity = "fail" if counts["fail"] else "warn" if counts["warn"] else "pass"
    found = [one for one in audit.findings if one.severity != "pass"]
    said = (
        f"{len(audit.findings)} checks of the audit: {counts['fail']} fail, {counts['warn']} warn"
    )
    if found:
        said += f"; first, {found[0].check}, {found[0].about}: {found[0].said}"
    return check(
        LEAKAGE,
        verdict,
        f"{counts['fail']}",
        said,
        "a label that leaks into the text, or across splits, makes every figure too good",
        "harbor-train audit says what to do of each",
    )


def facts_of(material: Tickets, audit: Audit, evidence: Evidence, passes: float) -> Facts:
    """What the decision table asks of a desk."""
    counts = [int(labels.of_split(material, task, "train").sum()) for task in material.tasks]
    pairs = judge_pairs(evidence.events)
    return Facts(
        tasks=len(material.tasks),
        scarcest=min(counts),
        largest=max(counts),
        related=_related(material),
        derived=any(one.check == LABEL_PAIRS and one.severity == "fail" for one in audit.findings),
        conflicts=len(training_facts.conflicts(pairs)) if pairs else None,
        passes=passes,
    )


def drawn(material: Tickets, most: int) -> Tickets:
    """So many tickets at most, drawn by chance, in their order; those of a file are read."""
    few = affordable(material, most, MOST_CHARACTERS)
    if len(material) <= few:
        return material
    chosen = np.sort(np.random.default_rng(0).permutation(len(material))[:few])
    return only(material, chosen)


def _related(material: Tickets) -> float:
    """The largest share of a task's entropy that another task's label removes."""
    found = [0.0]
    for known, told in permutations(material.tasks, 2):
        known_N, told_N = material.labels[known.name], material.labels[told.name]
        both_N = (known_N >= 0) & (told_N >= 0)
        if both_N.sum() >= FEW:
            found.append(1.0 - lookup(known_N[both_N], told_N[both_N]).entropy)
    return max(found)
