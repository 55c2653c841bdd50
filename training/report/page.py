"""A finished run comes in; one self-contained HTML page goes out: no network, no script, every
value escaped.

The same run and the same arguments give the same bytes.
"""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from service.contract.promises import Scope
from training.calibration.promises import Promises
from training.report import formats
from training.report.finished import Finished
from training.report.quality import HARBOR
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
    )


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
    return environment.get_template("report.html.j2")
