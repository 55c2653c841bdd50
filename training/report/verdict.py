"""What a report found of each task comes in; the verdict in plain sentences goes out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from service.statistics.multiplicity import holm
from training.report.formats import count, listed, number, p_value, percent, span
from training.report.promised import HEADLINE, TARGETS, Promised
from training.report.quality import BASELINES, HARBOR, Quality

Tone = Literal["good", "open", "bad"]

ALPHA = 0.05
CLOSE = 0.015
"""A debiased ECE up to this is small, even where it is shown not to be 0."""
WIDE = 0.05
"""An interval of the ECE that reaches further does not show that confidences are right."""


@dataclass(frozen=True)
class Finding:
    """word: for a chip. said: a sentence with its figures. detail: the figure that counts most."""

    tone: Tone
    word: str
    said: str
    detail: str = ""


@dataclass(frozen=True)
class Verdict:
    """Of one task: is it any good, can its confidences be believed, what can be promised."""

    task: str
    skill: Finding
    trust: Finding
    promise: Finding


def verdicts(
    qualities: Sequence[tuple[str, Sequence[Quality], Promised | None]],
) -> tuple[Verdict, ...]:
    """One a task; the p values of calibration are adjusted by Holm over the tasks."""
    found = [(task, {row.kind: row for row in rows}, offer) for task, rows, offer in qualities]
    tested = {task: p for task, rows, _ in found if (p := rows[HARBOR].ece_p) is not None}
    adjusted = dict(zip(tested, holm(list(tested.values())).tolist(), strict=True))
    return tuple(
        Verdict(task, _skill(rows), _trust(rows[HARBOR], adjusted.get(task)), _promise(offer))
        for task, rows, offer in found
    )


def headline(found: Sequence[Verdict]) -> str:
    """All verdicts in a few plain sentences."""
    skill = [
        *_where(found, "skill", "ahead", "ahead of every baseline"),
        *_where(found, "skill", "behind", "behind a baseline"),
        *_where(found, "skill", "level", "level with a baseline"),
    ]
    trust = [
        *_where(found, "trust", "off", "confidences are off"),
        *_where(found, "trust", "calibrated", "confidences mean what they say"),
        *_where(found, "trust", "nearly", "confidences are off by a little"),
        *_where(found, "trust", "no fault found", "no fault was found in the confidences"),
    ]
    promise = [
        *_where(found, "promise", "shown", "what was asked can be promised"),
        *_where(found, "promise", "not kept", "the test split denies what was to be promised"),
        *_where(found, "promise", "refused", "what was asked is refused"),
        *(
            part
            for target in (percent(one, 0) for one in reversed(TARGETS))
            for part in _where(found, "promise", target, f"{target} precision is shown")
        ),
        *_where(found, "promise", "none", f"not even {percent(TARGETS[0], 0)} precision is shown"),
    ]
    sentences = (", ".join(part) for part in (skill, trust, promise) if part)
    return " ".join(f"{one[0].upper()}{one[1:]}." for one in sentences)


def _where(found: Sequence[Verdict], finding: str, word: str | None, said: str) -> list[str]:
    """In words, the tasks with this finding; with any good one where `word` is None."""
    each: list[tuple[str, Finding]] = [(one.task, getattr(one, finding)) for one in found]
    tasks = [task for task, one in each if (one.word == word if word else one.tone == "good")]
    return [f"{said} on {listed(tasks)}"] if tasks else []


def _skill(rows: Mapping[str, Quality]) -> Finding:
    harbor = rows[HARBOR]
    if harbor.accuracy is None:
        return Finding("open", "not measured", "No test ticket has a label of this task.")
    rivals = [rows[kind] for kind in BASELINES if kind in rows]
    best = max(rivals, key=lambda one: one.accuracy or 0.0, default=None)
    said = (
        f"Right on {percent(harbor.accuracy)} of {count(harbor.n)} test tickets "
        f"({span(harbor.accuracy_interval)}), macro-F1 {number(harbor.macro_f1)}"
    )
    if best is None or best.accuracy is None:
        return Finding("open", "no baseline", f"{said}; there is no baseline to compare with.")
    said += f"; the best baseline, {best.name}, is right on {percent(best.accuracy)}"
    detail = f"{best.name}: {percent(best.accuracy)}"
    here, there = harbor.accuracy_interval, best.accuracy_interval
    if here is None or there is None:
        return Finding("open", "no interval", f"{said}.", detail)
    if here.low > there.high:
        return Finding("good", "ahead", f"{said}, and the intervals do not meet.", detail)
    if here.high < there.low:
        return Finding("bad", "behind", f"{said}, and the intervals do not meet.", detail)
    return Finding(
        "open", "level", f"{said}; the intervals overlap, so neither is shown to be better.", detail
    )


def _trust(harbor: Quality, adjusted_p: float | None) -> Finding:
    if harbor.ece is None:
        return Finding("open", "not measured", "Nothing is known of its calibration.")
    said, detail = f"debiased ECE {number(harbor.ece)}", f"ECE {number(harbor.ece)}"
    if harbor.ece_interval is None or adjusted_p is None:
        said = (
            f"Calibration not tested: {said}; this run has neither interval nor consistency test."
        )
        return Finding("open", "untested", said, detail)
    low, high = number(harbor.ece_interval.low), number(harbor.ece_interval.high)
    said += f" ({low} to {high}), consistency p {p_value(adjusted_p)}"
    detail += f", p {p_value(adjusted_p)}"
    if adjusted_p < ALPHA and harbor.ece <= CLOSE:
        return Finding("open", "nearly", f"Confidences are off by a little: {said}.", detail)
    if adjusted_p < ALPHA:
        return Finding("bad", "off", f"Confidences are off: {said}.", detail)
    if harbor.ece_interval.high > WIDE:
        few = f"{count(harbor.n)} tickets cannot rule out an error of {high}"
        said = f"No fault found in the confidences, but {few}: {said}."
        return Finding("open", "no fault found", said, detail)
    return Finding("good", "calibrated", f"Confidences mean what they say: {said}.", detail)


def _promise(found: Promised | None) -> Finding:
    if found is None:
        said = "What can be promised is not known: no predictions of the calibration split."
        return Finding("open", "not known", said)
    if found.asked is not None:
        return _asked(found, found.asked)
    tickets = f"{count(found.tickets)} labelled calibration tickets"
    best = found.best
    if best is None:
        lowest = percent(found.offers[0].target, 0)
        said = f"No precision from {lowest} up is shown on {tickets}."
        return Finding("bad", "none", said, f"{tickets}")
    share = percent(best.coverage, 0)
    where = f"for {share} of tickets, from a confidence of {number(best.threshold)} on"
    target, detail = percent(best.target, 0), f"for {share} of tickets"
    if best.broken and best.seen is not None:
        seen = f"{percent(best.seen.precision)} right ({span(best.seen.interval)})"
        said = (
            f"The calibration split shows {target} precision {where}, but the test split denies it"
        )
        return Finding("bad", "not kept", f"{said}: {seen}.", f"{target} shown, test denies it")
    said = f"{target} precision is shown on its own, {where}; ask for it as a promise."
    if best.target >= HEADLINE:
        return Finding("good", target, said, detail)
    missed = f"{percent(HEADLINE, 0)} precision is not shown on {tickets}"
    return Finding("open", target, f"{missed}. {said}", detail)


def _asked(found: Promised, asked: str) -> Finding:
    if found.threshold is None:
        return Finding("bad", "refused", f"Asked: {asked}. Refused: {found.refused}.")
    said = f"Asked: {asked}. Shown, from a confidence of {number(found.threshold.auto)} on"
    if found.seen is None:
        return Finding("good", "shown", said + ".")
    seen = found.seen
    share = f"{percent(seen.coverage, 0)} of tickets"
    if seen.precision is None:
        return Finding("open", "shown", f"{said}; on the test split no ticket is auto.", "for none")
    said += f"; on the test split {share} are auto and {percent(seen.precision)} of these right"
    said = f"{said} ({span(seen.interval)})"
    if found.broken:
        return Finding("bad", "not kept", f"{said}: the promise is not kept there.", f"for {share}")
    return Finding("good", "shown", f"{said}.", f"for {share}")
