"""Tests, guards and checks come in; promote, keep shadowing or roll back goes out, with reasons.

Promoting needs every task, so each is tested at the plan's alpha; rolling back needs one alone, so
its alpha is divided among them (`findings.evidence`).
"""

from collections.abc import Mapping, Sequence

from service.shadow.findings.document import Judgement
from service.shadow.findings.proofs import Check, GuardState, McNemar, Side, Test

CHECKED = {
    "drop_bias": "The tickets that were dropped or failed differ strongly from the compared ones",
    "feedback_bias": "The tickets with a final label differ strongly from those without one",
}

DAY_S = 86_400.0
STRANGE = 30
"""Labels after which it is no chance that neither model was ever right."""
BEHEADED = (
    "The first labels of the test are missing: retention has removed them. Changing the plan "
    "begins a new test; keeping tickets for longer lets it run for longer."
)


def judge_task(
    test: Test,
    guards: Sequence[GuardState],
    checks: Sequence[Check],
    needed: tuple[int | None, int | None] = (None, None),
    *,
    beheaded: bool = False,
) -> Judgement:
    """The verdict on one task.

    needed: labels still missing to promote and to roll back at the gap seen so far, None where
    more would not do it. The evidence may be watched at any time: each side counts at its best.
    beheaded: the test's first tickets are no longer among those that were read. Its evidence then
    begins anew at every look, and no error rate holds for that.
    """
    if beheaded:
        return Judgement(verdict="keep", reasons=(BEHEADED,))
    if rolls_back(test):
        return Judgement(verdict="roll_back", reasons=_against(test))
    blocks = (*_guarded(guards), *_checked(checks), *_turned(test))
    shown = all(side.proven for side in _promoting(test))
    if shown and not blocks:
        return Judgement(verdict="promote", reasons=(*_for(test), *_kept(guards)), labels_needed=0)
    reasons = (*(_for(test) if shown else _open(test, needed)), *blocks)
    missing = None if _turned(test) else _missing(shown, guards, checks, needed)
    return Judgement(verdict="keep", reasons=reasons, labels_needed=missing)


def rolls_back(test: Test) -> bool:
    """Whether the challenger is proven worse, and no evidence for it is stronger by now."""
    good, bad = test.sides[:2]
    return bad.proven and (not good.proven or bad.log_wealth >= good.log_wealth)


def judge(tasks: Mapping[str, Judgement]) -> Judgement:
    """The verdict on the pair: promote where every task does, roll back where any does."""
    if not tasks:
        return Judgement(verdict="keep", reasons=("No ticket has been compared yet.",))
    worse = [name for name, one in tasks.items() if one.verdict == "roll_back"]
    if worse:
        return Judgement(verdict="roll_back", reasons=(f"Worse on {_listed(worse)}.",))
    waiting = {name: one for name, one in tasks.items() if one.verdict == "keep"}
    if not waiting:
        reasons = (f"Proven on {_listed(list(tasks))}.",)
        return Judgement(verdict="promote", reasons=reasons, labels_needed=0)
    reasons = (f"Not yet proven on {_listed(list(waiting))}.",)
    wants = [one.labels_needed for one in waiting.values()]
    known = [want for want in wants if want is not None]
    needed = max(known) if len(known) == len(wants) else None
    return Judgement(verdict="keep", reasons=reasons, labels_needed=needed)


def _promoting(test: Test) -> list[Side]:
    return [side for at, side in enumerate(test.sides) if at != 1]


def _turned(test: Test) -> tuple[str, ...]:
    """Why a proof of earlier days no longer promotes: the gap has gone back beyond its bound."""
    if test.gap is None:
        return ()
    ahead = [
        test.gap > side.bound if side.claim == "gap_above" else test.gap < side.bound
        for side in _promoting(test)
        if side.proven
    ]
    if all(ahead):
        return ()
    return (
        "By now the gap is on the other side of what was shown: the tickets or a model changed.",
    )


def _for(test: Test) -> tuple[str, ...]:
    good = test.sides[0]
    lines = [f"{_claim(good)} {_proof(good)}"]
    if test.criterion == "equivalence":
        lines.append(f"{_claim(test.sides[2])} {_proof(test.sides[2])}")
    return (*lines, *_horizon(test.mcnemar))


def _against(test: Test) -> tuple[str, ...]:
    good, bad = test.sides[:2]
    lines = [f"{_claim(bad)} {_proof(bad)}"]
    if good.proven:
        lines.append("Earlier evidence pointed the other way: the tickets or a model changed.")
    return (*lines, *_horizon(test.mcnemar))


def _open(test: Test, needed: tuple[int | None, int | None]) -> tuple[str, ...]:
    if not test.labels and test.left_out_recent:
        return ("No ticket with a final label is old enough yet.", *_age(test))
    if not test.labels:
        return ("No final label counts for this test yet.",)
    if test.labels >= STRANGE and test.counts.neither == test.labels:
        return ("No final label is one that either model gave: are they in the task's words?",)
    unproven = next(side for side in _promoting(test) if not side.proven)
    aim = f"Not yet proven: {_claim(unproven)[0].lower()}{_claim(unproven)[1:]}"
    return (aim, _hope(*needed), *_horizon(test.mcnemar), *_age(test))


def _age(test: Test) -> tuple[str, ...]:
    """Why labels that are there do not count yet."""
    if not test.left_out_recent:
        return ()
    line = (
        f"Labels of tickets younger than {test.matured_s / DAY_S:.1f} days, "
        f"{test.left_out_recent:,}, are there and do not count yet, for a roll-back either."
    )
    if test.delay_s is None:
        return (line,)
    return (
        line,
        f"That age is more than planned because decisive labels took up to "
        f"{test.delay_s / DAY_S:.1f} days; set maturity_days: 0 where labels come in bulk.",
    )


def _hope(ahead: int | None, back: int | None) -> str:
    if ahead is not None:
        return f"About {ahead:,} more labels would prove it at the gap seen so far."
    if back is not None:
        return f"At the gap seen so far, about {back:,} more labels would prove the opposite."
    return "At the gap seen so far, more labels would not decide it."


def _claim(side: Side) -> str:
    size = abs(side.bound) * 100
    points = f"{size:g} point" + ("" if size == 1 else "s")
    if side.claim == "gap_above":
        if side.bound == 0:
            return "The challenger is right more often than the incumbent."
        return f"The challenger is not worse than the incumbent by {points} or more."
    if side.bound == 0:
        return "The challenger is right less often than the incumbent."
    if side.bound < 0:
        return f"The challenger is worse than the incumbent by more than {points}."
    return f"The challenger is not better than the incumbent by {points} or more."


def _proof(side: Side) -> str:
    return f"Shown after {side.proven_after:,} labels (anytime-valid p = {side.p_value:.2g})."


def _horizon(mcnemar: McNemar | None) -> tuple[str, ...]:
    if mcnemar is None:
        return ()
    if mcnemar.p_value is None:
        return (f"The fixed-horizon test waits: {mcnemar.n:,} of {mcnemar.horizon:,} labels.",)
    return (f"Exact McNemar over the first {mcnemar.horizon:,} labels: p = {mcnemar.p_value:.2g}.",)


def _guarded(guards: Sequence[GuardState]) -> tuple[str, ...]:
    return tuple(_guard(one) for one in guards if one.state != "holds")


def _guard(state: GuardState) -> str:
    guard = state.guard
    where = f"Guard {guard.dimension} = {guard.value}"
    if state.state == "too_few_labels":
        return f"{where} has {state.n:,} of the {guard.min_labels:,} labels that it needs."
    gap = (state.gap or 0.0) * 100
    allowed = f"at most {guard.margin * 100:g} worse is allowed"
    return f"{where} is violated: {gap:+.1f} points, {allowed}."


def _kept(guards: Sequence[GuardState]) -> tuple[str, ...]:
    return (f"Every guard holds ({len(guards)}).",) if guards else ()


def _checked(checks: Sequence[Check]) -> tuple[str, ...]:
    return tuple(
        f"{CHECKED[check.name]} ({_listed([row.dimension for row in check.rows if row.strong])})."
        for check in checks
        if check.state == "strong"
    )


def _missing(
    shown: bool,
    guards: Sequence[GuardState],
    checks: Sequence[Check],
    needed: tuple[int | None, int | None],
) -> int | None:
    blocked = any(one.state == "violated" for one in guards)
    if blocked or any(check.state == "strong" for check in checks):
        return None
    short = [max(0, one.guard.min_labels - one.n) for one in guards]
    if shown:
        return max(short, default=0) or None
    ahead, back = needed
    return back if ahead is None else max([ahead, *short])


def _listed(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return ", ".join(names[:-1]) + " and " + names[-1]
