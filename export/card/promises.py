"""Thresholds and the evidence for them come in; what the decisions promise, in words, goes out."""

from collections.abc import Sequence

from export.card.markdown import percent
from service.contract.bundle import Variant
from service.contract.promises import CostEvidence, Evidence, Promise, Share, Threshold
from service.contract.tasks import Task

HEADING = "Automation"


def automation(tasks: Sequence[Task], variants: Sequence[Variant]) -> str:
    """The card's section: for each task what `auto` promises, and on how many tickets that was
    shown.
    """
    parts = [f"## {HEADING}", _DECISIONS]
    for variant in variants:
        if len(variants) > 1:
            parts.append(f"### By {variant.file}")
        parts += [described(task, variant.thresholds.get(task.name)) for task in tasks]
    if any(variant.thresholds for variant in variants):
        parts.append(_HOLDS)
    return "\n\n".join(parts)


def described(task: Task, threshold: Threshold | None) -> str:
    """A paragraph on one task; None where it has no threshold."""
    if threshold is None:
        return f"**{task.name}** makes no promise: every answer is `human`."
    sentences = [_from(task, threshold), *_by_label(threshold)]
    if threshold.choose == "expected_cost":
        sentences.append("The label given is that of least expected cost, not the likeliest one.")
    if threshold.promise is None:
        sentences.append("A person set this: nothing is promised.")
    else:
        sentences += _promise(threshold.promise)
    return "\n".join(sentences)


def _from(task: Task, threshold: Threshold) -> str:
    suggest = f"{threshold.suggest:.3f} on."
    if threshold.by_label.keys() >= set(task.labels):
        # No label is left for which the common threshold decides.
        return f"**{task.name}** is `auto` by the label, `suggest` from a confidence of {suggest}"
    auto = f"`auto` from a confidence of {threshold.auto:.3f} on"
    return f"**{task.name}** is {auto} and `suggest` from {suggest}"


def _by_label(threshold: Threshold) -> list[str]:
    own = [f"{name} from {at:.3f}" for name, at in threshold.by_label.items() if at is not None]
    never = [name for name, at in threshold.by_label.items() if at is None]
    found = [f"Labels with a threshold of their own for `auto`: {', '.join(own)}."] if own else []
    return found + ([f"Labels that are never `auto`: {', '.join(never)}."] if never else [])


def _promise(promise: Promise) -> list[str]:
    evidence, target = promise.evidence, promise.target or 0.0
    sure = f"(The chance that this is false is at most {percent(1.0 - promise.level)}.)"
    said = {
        "precision": f"Promise: an `auto` answer is right at least {percent(target)} of the time. "
        f"{sure}",
        "coverage": f"Promise: at least {percent(target)} of the tickets are `auto`. {sure}",
        "cost": "Promise: of the thresholds tried, this one costs a ticket the least on average.",
    }[promise.kind]
    return [said, *_evidence(evidence), *_cost(evidence.cost)]


def _evidence(evidence: Evidence) -> list[str]:
    tickets = f"Seen on {evidence.tickets:,} labelled tickets: {evidence.accepted:,} were `auto`"
    if evidence.precision is None:
        return [f"{tickets}."]
    return [
        f"{tickets}, {evidence.right:,} of these right: {_share(evidence.precision)}.",
        f"Expect {_share(evidence.coverage)} of the tickets to be `auto`.",
    ]


def _cost(cost: CostEvidence | None) -> list[str]:
    if cost is None:
        return []
    return [
        f"A ticket cost {cost.mean:.3g} on average (95 % interval {cost.low:.3g} to "
        f"{cost.high:.3g});",
        f"it would cost {cost.all_auto:.3g} if all were `auto`, {cost.all_human:.3g} if an agent "
        "decided all.",
    ]


def _share(share: Share) -> str:
    low, high = 100 * share.low, percent(share.high)
    return f"{percent(share.value)} (95 % interval {low:.1f} to {high})"


_DECISIONS = """\
Each answer carries a decision. `auto`: apply the label, nobody need look. `suggest`: show it to an
agent, who decides. `human`: an agent decides unaided. The threshold is compared with the
confidence, the calibrated probability of the label that is given."""
_HOLDS = """\
A promise speaks of many tickets like those it was seen on, never of a single one. When the desk
changes, `harbor-export recalibrate` shows it anew on recent labelled tickets, or refuses."""
