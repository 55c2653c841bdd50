"""Grafana's dashboard files come in; their panels, queries and variables go out."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GRAFANA = Path(__file__).parents[2] / "deploy" / "grafana"
PATHS = sorted((GRAFANA / "dashboards").glob("*.json"))


@dataclass(frozen=True)
class Query:
    """One query of a panel.

    instant: whether Grafana asks for one moment, not for a range. repeated: the variable whose
    values have a panel each, if there is one.
    """

    dashboard: str
    panel: str
    expression: str
    instant: bool
    repeated: str | None

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.panel}: {self.expression}"


def read(path: Path) -> Any:
    """The dashboard as it is stored."""
    return json.loads(path.read_text(encoding="utf-8"))


def panels(dashboard: Any) -> list[Any]:
    """Every panel, rows left out."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries(path: Path) -> list[Query]:
    """Every query of every panel."""
    dashboard = read(path)
    return [
        Query(path.stem, panel["title"], target["expr"], target["instant"], panel.get("repeat"))
        for panel in panels(dashboard)
        for target in panel["targets"]
    ]


def variables(dashboard: Any) -> list[Any]:
    """The template variables."""
    found: list[Any] = dashboard["templating"]["list"]
    return found


def fill(expression: str, values: Mapping[str, str]) -> str:
    """The expression as Grafana sends it: `$name` and `${name}` replaced.

    Raises KeyError for a variable without a value.
    """
    return re.sub(r"\$(?:\{(\w+)\}|([A-Za-z_]\w*))", lambda at: values[at[1] or at[2]], expression)
