"""A checkpoint comes in; the bundle's MODEL_CARD.md, in plain words, goes out."""

from collections.abc import Mapping, Sequence
from typing import Any

from export.card.compared import compared
from export.card.left_out import left_out
from export.card.markdown import LIMITS, number, table
from export.card.promises import automation
from export.parity import ParityReport
from service.contract.bundle import Variant
from service.contract.tasks import Task
from training.checkpoint import Checkpoint

MEASURES = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "qwk": "QWK",
    "nll": "NLL",
    "ece_debiased": "ECE, debiased",
}
MODELS = {
    "test": "this model",
    "tfidf": "TF-IDF + logistic regression",
    "majority": "most frequent label",
}
SPLITS = ("train", "validation", "calibration", "test")


def write_card(
    checkpoint: Checkpoint,
    version: str,
    parity: ParityReport,
    variants: Sequence[Variant],
    notes: Sequence[str],
) -> str:
    """The card as Markdown; equal checkpoints and promises give equal cards.

    notes: what the calibration split did not suffice for.
    """
    parts = [
        _purpose(version, checkpoint.tasks),
        _tasks(checkpoint.tasks, _unexported(checkpoint)),
        _origin(checkpoint),
        _quality(checkpoint),
        *_compared(checkpoint),
        _calibration(checkpoint),
        automation(checkpoint.tasks, variants),
        *([left_out(notes)] if notes else []),
        _checks(parity),
        _LIMITS,
        _VERIFY,
    ]
    return "\n\n".join(parts) + "\n"


def _purpose(version: str, tasks: Sequence[Task]) -> str:
    names = ", ".join(f"**{task.name}**" for task in tasks)
    return (
        f"# Harbor bundle {version}\n\n"
        f"Routes support tickets. It reads a ticket's subject and body once and gives, with a\n"
        f"calibrated confidence: {names}."
    )


def _tasks(tasks: Sequence[Task], unexported: str) -> str:
    rows = (
        (task.name, task.role, task.kind, str(task.classes), ", ".join(task.labels))
        for task in tasks
    )
    return (
        "## Tasks\n\n"
        + table(("task", "role", "kind", "labels", "in the order of the logits"), rows)
        + "\n\nPrimary tasks are what the model is for. Auxiliary tasks helped it learn and are\n"
        "answered too; judge the model by the primary ones." + unexported
    )


def _unexported(checkpoint: Checkpoint) -> str:
    """One line on the tasks that were trained beside these and are not answered; empty where there
    are none.
    """
    measured = checkpoint.facts.metrics.get("unexported", {})
    named = [_aside(task, measured.get(task.name, {})) for task in checkpoint.facts.unexported]
    return f"\n\nTrained beside them and not answered: {', '.join(named)}." if named else ""


def _aside(task: Task, measures: Mapping[str, Any]) -> str:
    """The task, with its figures where it was measured: its head was dropped, uncalibrated."""
    shown = [f"{MEASURES[key]} {number(measures, key)}" for key in _ASIDE if key in measures]
    return f"{task.name} ({', '.join(shown)} on the test split)" if shown else task.name


def _compared(checkpoint: Checkpoint) -> list[str]:
    section = compared(checkpoint.facts.metrics)
    return [] if section is None else [section]


def _origin(checkpoint: Checkpoint) -> str:
    facts, model = checkpoint.facts, checkpoint.config.model
    tickets = facts.metrics.get("tickets", {})
    rows = [
        ("encoder", facts.encoder),
        ("token limit", f"{model.token_limit}; what is beyond is cut, and the reply says so"),
        ("tickets", ", ".join(f"{tickets[name]} {name}" for name in SPLITS if name in tickets)),
        ("split by", _SPLIT_BY[checkpoint.config.data.split]),
        ("data fingerprint", f"`{facts.data_fingerprint}`"),
        ("code fingerprint", f"`{facts.code_fingerprint}`"),
        ("checkpoint", f"`{checkpoint.digest}`"),
    ]
    return "## What it was trained on\n\n" + table(("", ""), rows) + "\n\n" + _coverage(checkpoint)


def _coverage(checkpoint: Checkpoint) -> str:
    """How many tickets of each split carry a label of each task."""
    splits = checkpoint.facts.metrics.get("splits", {})
    names = [name for name in SPLITS if name in splits]
    rows = [
        (task.name, *(str(splits[name]["tasks"][task.name]["labelled"]) for name in names))
        for task in checkpoint.tasks
    ]
    return "Labelled tickets:\n\n" + table(("task", *names), rows)


def _quality(checkpoint: Checkpoint) -> str:
    reports = checkpoint.facts.metrics.get("tasks", {})
    rows = [
        (task.name, label, _count(measures), *(number(measures, key) for key in MEASURES))
        for task in checkpoint.tasks
        for kind, label in MODELS.items()
        if (measures := reports.get(task.name, {}).get(kind))
    ]
    return (
        "## How good\n\nOn the test split, which nothing was fitted or chosen on:\n\n"
        + table(("task", "model", "tickets", *MEASURES.values()), rows)
        + "\n\nMacro-F1 weighs every label alike, however rare. QWK is for ordinal tasks: a\n"
        "near miss costs less than a far one."
    )


def _calibration(checkpoint: Checkpoint) -> str:
    reports = checkpoint.facts.metrics.get("tasks", {})
    rows = [
        (
            task.name,
            checkpoint.calibration[task.name].method,
            *(number(reports.get(task.name, {}).get(kind, {}), "nll") for kind in _STAGES),
            *(number(reports.get(task.name, {}).get(kind, {}), "ece") for kind in _STAGES),
        )
        for task in checkpoint.tasks
    ]
    headings = ("task", "method", "NLL before", "NLL after", "ECE before", "ECE after")
    return (
        "## How calibrated\n\n"
        + table(headings, rows)
        + "\n\nFitted on the calibration split, measured on the test split. The plug-in ECE of\n"
        "this table is above zero even for a perfect model: the fewer tickets, the larger."
    )


def _checks(parity: ParityReport) -> str:
    found = parity.stable()
    sizes = ", ".join(str(size) for size in parity.batch_sizes)
    return (
        "## How the graph was checked\n\n"
        f"Before this bundle was written, {found['texts']} texts of {found['shortest_tokens']} to "
        f"{found['longest_tokens']} tokens, in\nbatches of {sizes}, went through the service's own "
        f"tokenizer and session. No probability\ndiffered from the checkpoint's by more than "
        f"{found['tolerance']}; no label changed that led by more\nthan {found['margin']}."
    )


def _count(measures: Mapping[str, Any]) -> str:
    return f"{measures['n']:.0f}" if "n" in measures else ""


_ASIDE = ("accuracy", "macro_f1")
_STAGES = ("uncalibrated", "test")
_SPLIT_BY = {
    "group": "near-duplicate group: no near-duplicate stands on both sides",
    "time": "time: the test tickets are the latest",
}
_LIMITS = f"""\
## {LIMITS}

- Tickets of another desk, product or language than it was trained on: the figures above say
  nothing about those. Train on your own.
- Any decision about a person: it reads for routing, not for who is honest, able or deserving.
- Emergencies as the only line: an urgent ticket can be read as a calm one. Keep a way to a human.
- Automation without a promise: where "Automation" has none for a task, an agent decides.
- A confidence says how often such answers were right on the test split. It drifts as the desk
  changes; measure it again."""
_VERIFY = """\
## How to verify

    harbor-export verify DIRECTORY

compares every file with its digest, the graph with the manifest, and the answers to the golden
tickets with those of the day of the export. The bundle's identity is the SHA-256 of SHA256SUMS."""
