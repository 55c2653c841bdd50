"""A run's parts come in; the objectives that its configuration names go out."""

from pathlib import Path

from training.data.dataset import encode_rows
from training.distill import Lessons, load_teacher, other_split, teach
from training.listener import Listener
from training.objectives.distillation import Distillation
from training.objectives.masked_language import MaskedLanguage
from training.objectives.objective import Objective
from training.parts import Parts
from training.prepare import Desk


def build_objectives(run: Parts, width: int, listener: Listener) -> tuple[Objective, ...]:
    """None where the configuration names none. width: of the features. Raises TrainingError."""
    config, found = run.config, list[Objective]()
    if config.masked.weight:
        encoder, definition = run.network.trunk.encoder, run.tokenizer.to_json()
        found.append(MaskedLanguage(encoder, definition, config.masked, config.seed))
    if config.distill.teacher is not None:
        lessons = _lessons(run, Path(config.distill.teacher), listener)
        found.append(Distillation(lessons, config.distill, width))
    for objective in found:
        objective.to(run.arithmetic.device)
    return tuple(found)


def _lessons(run: Parts, directory: Path, listener: Listener) -> Lessons:
    teacher = load_teacher(directory, run.desk.tasks)
    warning = other_split(teacher, run.config, f"sha256:{run.desk.table.fingerprint}")
    if warning is not None:
        listener.say(warning)
    assert isinstance(run.desk, Desk), "a configuration with a teacher does not stream"
    seen = encode_rows(run.desk.rows["train"], teacher.tasks, teacher.tokenizer)
    return teach(
        teacher,
        seen,
        run.desk.tasks,
        run.arithmetic.device,
        hidden=run.config.distill.hidden > 0.0,
        on_progress=lambda done: listener.progress("asking the teacher", done, len(seen)),
        processes=run.processes,
    )
