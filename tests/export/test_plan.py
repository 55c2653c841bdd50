"""What can be refused of a recalibration is refused before a graph is asked."""

from dataclasses import replace
from pathlib import Path

import pytest

from export.errors import ExportError, TargetExists
from export.listener import SILENT, Listener
from export.plan import Wanted, default_version, settle
from export.recalibrate import recalibrate
from export.remake import Opened
from tests.export.conftest import PROMISES
from tests.export.desk import promises
from training.errors import ConfigError


@pytest.fixture(scope="module")
def opened(promising: Path) -> Opened:
    """A bundle that makes PROMISES."""
    return Opened.read(promising)


def named(opened: Opened, version: str) -> Opened:
    """The bundle under another version."""
    return replace(opened, manifest=opened.manifest.model_copy(update={"version": version}))


@pytest.mark.parametrize("later", ["", "+card", "+r01234567", "+r01234567+card+r89abcdef+card"])
def test_a_version_of_a_version_is_no_longer_than_one(
    opened: Opened, labelled: Path, later: str
) -> None:
    built = "ckpt-0123456789ab+p01234567"
    version = default_version(named(opened, built + later), Wanted(labelled), None)
    assert version == default_version(named(opened, built), Wanted(labelled), None)
    assert version[:-8] == f"{built}+r"


def test_the_version_tells_bundle_tickets_promises_tasks_and_traffic_apart(
    opened: Opened, labelled: Path
) -> None:
    traffic, other = Wanted(labelled, traffic=labelled), replace(opened, digest="sha256:0")
    versions = {
        default_version(opened, Wanted(labelled), None),
        default_version(other, Wanted(labelled), None),
        default_version(opened, Wanted(opened.directory / "manifest.json"), None),
        default_version(opened, Wanted(labelled), PROMISES),
        default_version(opened, Wanted(labelled, tasks=("urgency",)), None),
        default_version(opened, traffic, None),
    }
    assert len(versions) == 6


def test_promises_for_a_task_that_is_left_out_are_not_used_and_it_is_said(
    opened: Opened, labelled: Path
) -> None:
    said: list[str] = []
    asked = promises(category={"coverage": 0.9}, urgency={"coverage": 0.6})
    wanted = Wanted(labelled, ("urgency",), asked)
    plan = settle(opened, wanted, None, Listener(say=said.append))
    assert plan.promises == promises(urgency={"coverage": 0.6})
    assert (plan.names, plan.others) == (("urgency",), ("category",))
    assert said[0] == "the promises for category are not used: --tasks leaves it out"


def test_a_task_that_loses_its_promise_is_named(opened: Opened, labelled: Path) -> None:
    said: list[str] = []
    wanted = Wanted(labelled, promises=promises(urgency={"coverage": 0.6}))
    settle(opened, wanted, None, Listener(say=said.append))
    assert said[0] == "task category loses its promise: every answer will be `human`"


def test_promises_for_a_task_that_the_bundle_lacks_are_refused(
    opened: Opened, labelled: Path
) -> None:
    wanted = Wanted(labelled, ("urgency",), promises(queue={"coverage": 0.5}))
    with pytest.raises(ConfigError, match="promises may name category, urgency, found queue"):
        settle(opened, wanted, None, SILENT)


def test_another_level_for_one_task_alone_is_refused(opened: Opened, labelled: Path) -> None:
    wanted = Wanted(labelled, ("urgency",), promises(urgency={"coverage": 0.5}, level=0.8))
    with pytest.raises(ConfigError, match="level is one for all tasks: category would stay at"):
        settle(opened, wanted, None, SILENT)


def test_an_existing_target_an_unknown_task_and_a_bad_version_are_refused_at_once(
    promising: Path, labelled: Path, tmp_path: Path
) -> None:
    with pytest.raises(TargetExists):
        recalibrate(promising, promising, Wanted(labelled))
    with pytest.raises(ExportError, match="the tasks category, urgency, found queue"):
        recalibrate(promising, tmp_path / "new", Wanted(labelled, tasks=("queue",)))
    with pytest.raises(ExportError, match="a version is 1 to 64"):
        recalibrate(promising, tmp_path / "new", Wanted(labelled), version="a b")
    assert list(tmp_path.iterdir()) == []
