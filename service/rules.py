"""A bundle's thresholds and an operator's policy come in; the rules that decide go out.

They are made once for a bundle and its policy, so that a ticket only has to look them up. Shapes: C
classes of a task.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.contract.bundle import Variant
from service.contract.promises import Costs, SetMethod, SetRule, Threshold
from service.contract.tasks import Label, Task
from service.policy import Policy, TaskPolicy

Promised = Literal["kept", "tightened", "loosened"]
FloatArray = NDArray[np.float64]

NEVER = math.inf
"""A threshold that no confidence reaches."""


_NOTHING_TO_TIGHTEN = (
    "the bundle has no threshold here that could be tightened; may_loosen: true applies it all "
    "the same"
)


class WantedSet(NamedTuple):
    """Which conformal set a caller asked for. per_label: with a threshold for each label."""

    method: SetMethod
    per_label: bool = False


@dataclass(frozen=True, slots=True)
class SetLimits:
    """The largest score that a label of the set may have, (C,); infinite where any may."""

    coverage: float
    limits_C: FloatArray


@dataclass(frozen=True, slots=True)
class Rule:
    """How one task's probabilities become a decision.

    auto_C: from which confidence on each label is applied. suggest: from which on it is shown to
    an agent. chooses: the costs of which the label's expected one is the least; None where the most
    probable label is given. price_CC, limit: a label that is expected to cost more than `limit` is
    never `auto`. promise: what is left of the bundle's promise; None where there is none. Of a
    `tightened` one the evidence is the bundle's: nothing was shown again for the raised thresholds.
    """

    labels: tuple[Label, ...]
    auto_C: tuple[float, ...]
    suggest: float = NEVER
    chooses: Costs | None = None
    price_CC: FloatArray | None = None
    limit: float = NEVER
    promise: Promised | None = None
    sets: Mapping[WantedSet, SetLimits] = field(default_factory=dict)

    def thresholds(self) -> dict[Label, float | None]:
        """By label, the confidence from which on it is `auto`; None for never."""
        pairs = zip(self.labels, self.auto_C, strict=True)
        return {label: None if auto == NEVER else auto for label, auto in pairs}

    def allows(self, label: Label, confidence: float, decision: str) -> bool:
        """Whether a decision may be this rule's; `human` always: the ticket may be out of scope.

        Made for decisions that were taken earlier, perhaps by another policy.
        """
        if decision == "human":
            return True
        if label not in self.labels:
            return False
        is_auto = confidence >= self.auto_C[self.labels.index(label)]
        return is_auto == (decision == "auto") and (is_auto or confidence >= self.suggest)


def rules_of(
    tasks: tuple[Task, ...],
    variant: Variant,
    policy: Policy | None = None,
    misfit: Callable[[ValueError], None] | None = None,
) -> dict[str, Rule]:
    """A rule for each task, by name.

    misfit: hears of each line of the policy that cannot be applied to its task, of which nothing is
    `auto` then. Raises ValueError for such a line where nobody hears of it, naming the key.
    """
    rules = {}
    for task in tasks:
        threshold, sets = variant.thresholds.get(task.name), variant.sets.get(task.name, ())
        line = None if policy is None else policy.tasks.get(task.name)
        try:
            rules[task.name] = rule_of(task, threshold, sets, line)
        except ValueError as error:
            if misfit is None:
                raise
            misfit(error)
            never = (NEVER,) * task.classes
            rules[task.name] = replace(rule_of(task, threshold, sets), auto_C=never, promise=None)
    return rules


def rule_of(
    task: Task,
    threshold: Threshold | None,
    sets: tuple[SetRule, ...] = (),
    line: TaskPolicy | None = None,
) -> Rule:
    """One task's rule. line: what the policy asks of it. Raises ValueError as `rules_of` does."""
    own = _own(task, threshold, sets)
    return own if line is None else _Tightening(task, threshold, line).of(own)


def _own(task: Task, threshold: Threshold | None, sets: tuple[SetRule, ...]) -> Rule:
    """The bundle's own rule."""
    limits = dict(_limits(task, sets))
    if threshold is None:
        return Rule(task.labels, (NEVER,) * task.classes, sets=limits)
    given = (threshold.by_label.get(label, threshold.auto) for label in task.labels)
    return Rule(
        task.labels,
        tuple(NEVER if auto is None else auto for auto in given),
        threshold.suggest,
        threshold.costs if threshold.choose == "expected_cost" else None,
        promise=None if threshold.promise is None else "kept",
        sets=limits,
    )


def _limits(task: Task, sets: tuple[SetRule, ...]) -> Iterator[tuple[WantedSet, SetLimits]]:
    for rule in sets:
        everywhere: list[float | None] = [rule.threshold] * task.classes
        yield WantedSet(rule.method), _set_limits(rule.coverage, everywhere)
        if rule.by_label:
            own = [rule.by_label.get(label) for label in task.labels]
            yield WantedSet(rule.method, per_label=True), _set_limits(rule.coverage, own)


def _set_limits(coverage: float, given: list[float | None]) -> SetLimits:
    return SetLimits(coverage, np.array([NEVER if limit is None else limit for limit in given]))


@dataclass(frozen=True, slots=True)
class _Tightening:
    """One task's line of a policy, beside what the bundle says about the task."""

    task: Task
    threshold: Threshold | None
    line: TaskPolicy

    def of(self, own: Rule) -> Rule:
        """The bundle's own rule as the policy has it. Raises ValueError where that cannot be."""
        self._check_promised()
        costs = self._costs()
        chooses = costs if self._choice() == "expected_cost" else None
        rule = replace(
            own,
            auto_C=tuple(self._raised(auto, self.line.auto) for auto in own.auto_C),
            suggest=self._raised(own.suggest, self.line.suggest),
            chooses=chooses,
        )
        if self.line.human is not None and costs is not None:
            rule = replace(rule, price_CC=np.array(costs.matrix), limit=self.line.human)
        rechosen = _matrix(chooses) != _matrix(own.chooses)
        if rechosen and not self.line.may_loosen:
            return replace(rule, auto_C=(NEVER,) * self.task.classes, promise=None)
        self._check_order(rule)
        return replace(rule, promise=self._promise(own, rule, rechosen))

    def _raised(self, own: float, wanted: float | None) -> float:
        if wanted is None:
            return own
        return wanted if self.line.may_loosen else max(own, wanted)

    def _choice(self) -> str:
        if self.line.choose is not None:
            return self.line.choose
        return "probability" if self.threshold is None else self.threshold.choose

    def _costs(self) -> Costs | None:
        """The costs that count: the policy's, else the bundle's."""
        needed = self._choice() == "expected_cost" or self.line.human is not None
        if self.line.costs is not None:
            if not needed:
                raise self._fault("costs", "changes nothing without choose: expected_cost or human")
            try:
                # Its own `human` is the rule's `limit`, where the policy has one.
                return Costs(matrix=self.line.costs.matrix(self.task.labels), human=0.0)
            except ValueError as error:
                raise self._fault("costs", str(error)) from None
        own = None if self.threshold is None else self.threshold.costs
        if needed and own is None:
            key = "choose" if self._choice() == "expected_cost" else "human"
            raise self._fault(key, "needs costs, and the bundle has none")
        return own

    def _promise(self, own: Rule, rule: Rule, rechosen: bool) -> Promised | None:
        """What is left of the promise; a label that was never `auto` and is now counts too."""
        pairs = list(zip(own.auto_C, rule.auto_C, strict=True))
        lowered = rule.suggest < own.suggest or any(new < old for old, new in pairs)
        if lowered or (rechosen and self.threshold is not None):
            return "loosened"
        if self.threshold is None or self.threshold.promise is None:
            return None
        if rule.limit < own.limit:
            # What costs leave over need not be right as often as all that a threshold lets through.
            return None
        rarer = any(new > old for old, new in pairs)
        if rarer and self.threshold.promise.kind != "precision":
            # A coverage, or a least cost, was shown for the bundle's own thresholds only.
            return None
        return "tightened" if rarer or rule.suggest > own.suggest else own.promise

    def _check_promised(self) -> None:
        if self.threshold is not None or self.line.may_loosen:
            return
        for key in ("auto", "suggest"):
            if getattr(self.line, key) is not None:
                raise self._fault(key, _NOTHING_TO_TIGHTEN)

    def _check_order(self, rule: Rule) -> None:
        lowest = min(rule.auto_C)
        if self.line.suggest is not None and rule.suggest > lowest:
            raise self._fault("suggest", f"{rule.suggest} must not exceed auto, which is {lowest}")

    def _fault(self, key: str, rule: str) -> ValueError:
        return ValueError(f"{self.task.name}.{key}: {rule}")


def _matrix(costs: Costs | None) -> object:
    return None if costs is None else costs.matrix
