"""README says what the code says."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from tests.readme_tables import errors_table, metrics_table, settings_table
from training.config.balance import Method
from training.config.batch import Sampling
from training.config.tasks import Loss
from training.table.variants import SCHEMES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("table", [settings_table, errors_table, metrics_table])
def test_readme_holds_the_code_s_table(table: Callable[[], str]) -> None:
    assert table() in README, "paste what `python -m tests.readme_tables` prints"


def test_every_make_command_in_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"^ *make ([a-z-]+)", README, re.M)) <= targets


def test_readme_names_every_way_to_train_and_no_other() -> None:
    rows = re.findall(r"^\| `([a-zA-Z.]+)`[^|]*\|(.*)\|$", README.split("<!-- ways -->")[1], re.M)
    named: dict[str, set[str]] = {}
    for key, values in rows:
        named.setdefault(key, set()).update(re.findall(r"`([a-z_]+)`", values))
    schemes = {"hard", *SCHEMES}
    assert named == {
        "model.sharing": schemes | {"top_layers"},
        "balance": set(get_args(Method)),
        "batch.sampling": set(get_args(Sampling)),
        "tasks.NAME.loss": set(get_args(Loss)),
    }


def test_every_path_in_readme_s_tree_exists() -> None:
    tree = README.split("<!-- tree -->")[1]
    paths = re.findall(r"^ {4}(\S+)", tree, re.M)
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_relative_link_leads_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []
