"""A finished run comes in; one self-contained HTML page goes out: no network, no script, every
value escaped.

The same run and the same arguments give the same bytes.
"""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from service.contract.promises import Scope
from service.contract.tasks import Task
from training.calibration.promises import Promises
from training.report import balance, formats
from training.report.comparison import compared
from training.report.errors import Errors, errors
from training.report.fingerprints import fingerprints
from training.report.finished import Finished
from training.report.gradients import gradients
from training.report.leakage import leakage
from training.report.outcome import outcome
from training.report.quality import HARBOR
from training.report.sampling_realised import sampling
from training.report.task import task_report
from training.report.verdict import headline, verdicts

TICKETS_A_WEEK = 5000

_TEMPLATES = Path(__file__).with_name("templates")


def render(
    finished: Finished, tickets_a_week: int = TICKETS_A_WEEK, promises: Promises | None = None
) -> str:
    """The page. promises: what to show as promised; without, what could be promised is shown.

    Raises ConfigError where the promises name a task or a label that the run lacks.
    """
    wanted = promises or Promises()
    wanted.check(finished.facts.tasks)
    scope = finished.scope(wanted)
    limit = scope if isinstance(scope, Scope) else None
    tasks = [
        task_report(finished, one, tickets_a_week, wanted, limit) for one in finished.facts.tasks
    ]
    found = verdicts([(one.task.name, one.qualities, one.promised) for one in tasks])
    return _template().render(
        finished=finished,
        facts=finished.facts,
        tasks=tasks,
        verdicts=found,
        headline=headline(found),
        scope=limit,
        unscoped=scope if isinstance(scope, str) else None,
        tickets_a_week=tickets_a_week,
        harbor=HARBOR,
        **_run(finished),
    )


def _run(finished: Finished) -> dict[str, Any]:
    """What the page shows of the run as a whole, and of each task's worst errors."""
    facts, events = finished.facts, finished.events
    return {
        "compared": compared(facts.metrics),
        "leakage": leakage(finished.audit, facts.data_fingerprint),
        "gradients": gradients(events),
        "weights": balance.weights(events),
        "sizes": balance.sizes(events),
        "loads": balance.loads(events),
        "raised": balance.raised(events),
        "speed": balance.speed(events),
        "sampling": sampling(events),
        "fingerprints": fingerprints(finished.digest, facts, finished.config),
        "errors": {task.name: _errors(finished, task) for task in facts.tasks},
    }


def _errors(finished: Finished, task: Task) -> Errors | None:
    calibration = finished.facts.calibration[task.name]
    found = outcome(task, calibration, finished.predictions, "test")
    if found is None:
        return None
    return errors(found, found.told(), finished.predictions["test"], finished.tickets)


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in ("percent", "span", "count", "number", "p_value", "short"):
        environment.filters[name] = getattr(formats, name)
    environment.filters["signed"] = _signed
    return environment.get_template("report.html.j2")


def _signed(value: float, digits: int) -> str:
    """A figure with its sign, such as `+1.5`."""
    return f"{value:+.{digits}f}".replace("-", "\N{MINUS SIGN}")
