"""A configuration and what earlier training recorded come in; whether it goes well goes out."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from service.contract.tasks import Task
from training.audit.finding import Severity, graded
from training.config import RunConfig
from training.diagnostics.scales import weighted
from training.diagnostics.verdict import Verdict, judge_pairs
from training.doctor.check import Check, check
from training.doctor.evidence import Evidence

SCALES, COSINE, STOPPING = "loss scales", "gradient cosine", "early stopping"
BASELINES, CALIBRATION = "baselines present", "calibration"
STEPS = 50
"""Losses are averaged over so many first steps."""
_SCALE_LIMITS: dict[Severity, float] = {"fail": 10.0, "warn": 3.0}
LEARNED = frozenset({"uncertainty", "dwa", "gradnorm", "pcgrad", "imtl_g", "nashmtl", "mgda"})
"""Methods that answer to the losses' scales."""
CLOSE, FAR = 0.015, 0.05
"""A debiased ECE up to CLOSE is small; beyond FAR a confidence means little."""
ALPHA = 0.05


def scales(tasks: Sequence[Task], config: RunConfig, evidence: Evidence) -> Check:
    """The ratio of the largest to the smallest weighted loss at the start: of a run's first steps,
    or the logarithm of the labels where there is none, which is what an untrained head loses. A
    task of weight 0 is left out.
    """
    seen = [step["losses"] for step in evidence.of("step")[:STEPS]]
    means = {task.name: _mean_loss(task, seen) for task in tasks}
    manual = config.balance.weights if config.balance.method == "manual" else {}
    sizes = weighted(means, manual)
    ratio = max(sizes.values()) / max(min(sizes.values()), 1e-9)
    verdict = graded(ratio, _SCALE_LIMITS)
    if verdict == "fail" and config.balance.method in LEARNED:
        verdict = "warn"
    listed = ", ".join(f"{task} {loss:.2f}" for task, loss in sizes.items())
    origin = f"over the first {len(seen)} steps" if seen else "of untrained heads"
    return check(
        SCALES,
        verdict,
        f"{ratio:.1f} x",
        f"weighted losses {origin}: {listed}",
        "with equal weights the task of the largest loss has the largest say in the shared layers",
        "set balance.method to uncertainty, or manual weights that make the losses alike",
    )


def _mean_loss(task: Task, seen: Sequence[Mapping[str, float]]) -> float:
    losses = [one[task.name] for one in seen if task.name in one]
    return fmean(losses) if losses else math.log(task.classes)


def cosine(evidence: Evidence) -> Check:
    """The verdict on every pair of tasks that the run compared."""
    pairs = judge_pairs(evidence.events)
    why = "tasks whose gradients oppose each other take from one another what they share"
    if not pairs:
        said = "no run has compared the tasks' gradients yet"
        remedy = "train with diagnostics.every_steps above 0, then give the run: doctor --run RUN"
        return check(COSINE, "warn", "", said, why, remedy)
    worst = min(pairs, key=lambda pair: pairs[pair].mean)
    opposed = conflicts(pairs)
    verdict: Severity = "fail" if _strong(pairs) else "warn" if opposed else "pass"
    said = "; ".join(f"{pair.replace('|', ' and ')} {found}" for pair, found in pairs.items())
    remedy = "branch the top layers (model.sharing: lora), balance.method pcgrad, or train apart"
    return check(COSINE, verdict, f"{pairs[worst].mean:+.2f}", said, why, remedy)


def conflicts(pairs: Mapping[str, Verdict]) -> list[str]:
    """The pairs `a|b` that were found to oppose each other."""
    return [pair for pair, found in pairs.items() if found.word == "conflicting"]


def _strong(pairs: Mapping[str, Verdict]) -> bool:
    return any(pairs[pair].high < -0.3 for pair in conflicts(pairs))


def stopping(tasks: Sequence[Task], config: RunConfig, evidence: Evidence) -> Check:
    """Is the metric that stops a run named, of primary tasks, and did it have the time it needs."""
    primary = [task.name for task in tasks if task.role == "primary"]
    metric, epochs = config.stop.metric, evidence.of("epoch")
    one_of_many = metric != "macro_f1" and len(primary) > 1
    still = bool(epochs) and bool(epochs[-1].get("best")) and len(epochs) == config.epochs
    said = f"stop.metric is {metric}, patience {config.stop.patience} epochs"
    if one_of_many:
        said += f"; {len(primary) - 1} primary tasks have no say in it"
    if still:
        said += f"; the best of {len(epochs)} epochs was the last"
    return check(
        STOPPING,
        "warn" if one_of_many or still else "pass",
        metric,
        said,
        "the epoch that ships is the best one by this metric; what it leaves out may have decayed",
        "raise epochs" if still else "set stop.metric to macro_f1, the mean over primary tasks",
    )


def baselines(tasks: Sequence[Task], evidence: Evidence) -> Check:
    """Is every task trained alone as well, and does the run beat a bag of words."""
    single = evidence.baselines.get("tasks", {})
    missing = [task.name for task in tasks if not single.get(task.name, {}).get("single")]
    behind = [task.name for task in tasks if _below(evidence, task.name, "macro_f1", "macro_f1")]
    shown = [
        task.name for task in tasks if _below(evidence, task.name, "accuracy_high", "accuracy_low")
    ]
    verdict: Severity = "fail" if shown else "warn" if missing or behind else "pass"
    said = f"{len(tasks) - len(missing)} of {len(tasks)} tasks have a single-task model"
    if behind:
        said += f"; in macro-F1 the run is below TF-IDF on {', '.join(behind)}"
    if shown:
        said += f"; in accuracy, and the intervals do not meet, on {', '.join(shown)}"
    return check(
        BASELINES,
        verdict,
        f"{len(tasks) - len(missing)}/{len(tasks)}",
        said,
        "that several tasks help each other is a hypothesis; single-task models of the same budget "
        "test it",
        "harbor-train baselines, then harbor-train compare",
    )


def _below(evidence: Evidence, task: str, mine: str, theirs: str) -> bool:
    """Whether a measure of the run is below a measure of TF-IDF and logistic regression."""
    rows = evidence.report.get("tasks", {}).get(task, {})
    run, rival = rows.get("test", {}).get(mine), rows.get("tfidf", {}).get(theirs)
    return run is not None and rival is not None and bool(run < rival)


def calibration(tasks: Sequence[Task], evidence: Evidence) -> list[Check]:
    """For each task of a finished run: do its confidences mean what they say."""
    rows = evidence.report.get("tasks", {})
    return [_calibration(task.name, rows.get(task.name, {}), len(tasks)) for task in tasks]


def _calibration(task: str, rows: Mapping[str, Mapping[str, float]], tasks: int) -> Check:
    why = "a promise of precision is made from confidences; wrong ones break it"
    found = rows.get("test", {})
    name, error = f"{CALIBRATION}: {task}", found.get("ece_debiased")
    if error is None:
        remedy = "train, which calibrates at its end, then give the run: doctor --run RUN"
        return check(name, "warn", "", "no finished run was given", why, remedy)
    p = found.get("ece_p", 1.0)
    # Bonferroni over the tasks, so that many tasks raise no more false alarms than one.
    refuted = p < ALPHA / tasks
    limits: dict[Severity, float] = {"fail": FAR, "warn": CLOSE}
    verdict = graded(error, limits) if refuted else "pass"
    said = (
        f"debiased ECE {error:.3f} on {found.get('n', 0.0):,.0f} test tickets, consistency "
        f"p {p:.3f}"
    )
    remedy = "give calibration more tickets (data.calibration), or look for a shift in time"
    return check(name, verdict, f"{error:.3f}", said, why, remedy)
