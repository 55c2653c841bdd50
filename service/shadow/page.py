"""A report comes in; one self-contained HTML page goes out: no network, no script, every value
escaped.
"""

import math
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from service.shadow import charts
from service.shadow.findings.document import Report
from service.shadow.findings.shares import Matrix

_TEMPLATES = Path(__file__).with_name("templates")
_NONE = "–"


def render(report: Report) -> str:
    """The page. It shows what the report holds, and reads nothing else."""
    return _template().render(report=report, charts=charts, headline=headline(report))


def headline(report: Report) -> str:
    """The verdict in one plain sentence, from where each model sits now."""
    seated = report.role == "incumbent"
    return {
        ("promote", True): f"The bundle that answers may keep its seat; {report.legacy} can go.",
        ("promote", False): f"{report.legacy} may take over from the bundle that answers.",
        ("keep", True): f"It is not shown yet that the bundle that answers can replace "
        f"{report.legacy}.",
        ("keep", False): f"It is not shown yet that {report.legacy} can replace the bundle that "
        "answers.",
        ("roll_back", True): f"{report.legacy} should have its seat back.",
        ("roll_back", False): f"{report.legacy} should not take over; the bundle that answers "
        "stays.",
    }[report.overall.verdict, seated]


def percent(value: float | None, digits: int = 1) -> str:
    """A share, such as `4.2 %`."""
    return _NONE if value is None else f"{value * 100:.{digits}f} %"


def points(value: float | None) -> str:
    """A difference of two shares, in points and signed, such as `+1.20`."""
    return _NONE if value is None else f"{value * 100:+.2f}".replace("-", "−")


def count(value: int | None) -> str:
    """A count, such as `12,345`."""
    return _NONE if value is None else f"{value:,}"


def p_value(value: float | None) -> str:
    """A p value, never rounded to 0."""
    if value is None:
        return _NONE
    return "< 0.0001" if value < 0.0001 else f"{value:.2g}" if value < 0.01 else f"{value:.2f}"


def odds(log_wealth: float) -> str:
    """Wealth from its natural logarithm, such as `20` or `3e+12`."""
    if log_wealth > 700.0:
        return f"1e{log_wealth / math.log(10.0):.0f}"
    wealth = math.exp(log_wealth)
    return f"{wealth:,.0f}" if 10.0 <= wealth < 1e5 else f"{wealth:.2g}"


def moment(value: float | None) -> str:
    """A time, in UTC."""
    if value is None:
        return _NONE
    return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M UTC")


def short(identity: str) -> str:
    """Enough of a digest to tell two apart."""
    kind, found, digest = identity.rpartition(":")
    return f"{kind}{found}{digest[:12]}"


def heat(matrix: Matrix) -> list[list[float]]:
    """How strongly each cell of two different labels is coloured: by its root, 0 to 1."""
    apart = [
        value
        for row, line in enumerate(matrix.counts)
        for at, value in enumerate(line)
        if row != at
    ]
    most = max(apart, default=0) or 1
    return [
        [0.0 if row == at else round(math.sqrt(value / most), 3) for at, value in enumerate(line)]
        for row, line in enumerate(matrix.counts)
    ]


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for one in (percent, points, count, p_value, odds, moment, short, heat):
        environment.filters[one.__name__] = one
    return environment.get_template("report.html.j2")
