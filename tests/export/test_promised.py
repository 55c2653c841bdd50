"""What a bundle was asked to promise is kept in its manifest, and read from there again."""

import json
from pathlib import Path
from typing import Any

import pytest

from export.errors import PromisesLost
from export.promised import KEY, check_shared, document, kept, merged, restricted
from service.contract.bundle import Manifest, read_manifest
from tests.export.conftest import PROMISES
from tests.export.desk import NAMES, promises
from training.calibration.promises import parse_promises
from training.errors import ConfigError


@pytest.fixture(scope="module")
def manifest(promising: Path) -> Manifest:
    """Of a bundle that makes PROMISES, in scope and with conformal sets."""
    return read_manifest(promising)


def asking(manifest: Manifest, asked: object) -> Manifest:
    """The manifest with other promises in it."""
    return manifest.model_copy(update={"metrics": {**manifest.metrics, KEY: asked}})


def test_promises_survive_the_manifest_exactly() -> None:
    asked = promises(
        category={"costs": {"billing": {"technical": 7.0}, "default": 2.0}, "human": 1.5},
        urgency={"precision": 0.9, "per_label": True, "suggest": 0.5},
    ).model_copy(update={"level": 0.9})
    assert parse_promises(json.loads(json.dumps(document(asked))), "again") == asked
    assert parse_promises(document(PROMISES), "again") == PROMISES


def test_thresholds_of_which_the_bundle_does_not_say_the_promises_need_a_file(
    manifest: Manifest,
) -> None:
    assert kept(manifest, NAMES) == PROMISES
    assert kept(manifest, ["urgency"]) == restricted(PROMISES, ["urgency"])
    with pytest.raises(PromisesLost, match="decides category, urgency by thresholds"):
        kept(asking(manifest, None), NAMES)
    wrong = asking(manifest, {"category": {"precise": 1}})
    with pytest.raises(PromisesLost, match=r"category\.precise.*give the promises as a file"):
        kept(wrong, NAMES)


def test_what_is_said_of_the_whole_bundle_is_that_of_the_new_promises_alone() -> None:
    old = {"level": 0.9, "sets": 0.8, "scope": 0.95, "category": {"coverage": 0.5}}
    new = promises(urgency={"coverage": 0.6})
    assert merged(old, new, NAMES) == {"urgency": {"coverage": 0.6}}
    assert merged(old, new, ["urgency"]) == {
        "category": {"coverage": 0.5},
        "urgency": {"coverage": 0.6},
    }
    assert merged(old, promises(level=0.8), NAMES) == {"level": 0.8}
    assert merged(old, None, ["category"]) == {"level": 0.9, "sets": 0.8, "scope": 0.95}
    assert merged(None, None, NAMES) is None


@pytest.mark.parametrize("key", ["level", "sets", "scope"])
def test_what_the_other_tasks_were_made_with_cannot_be_changed_without_them(
    manifest: Manifest, key: str
) -> None:
    old: dict[str, Any] = {key: 0.85, "category": {"coverage": 0.5}}
    bundle, other = asking(manifest, old), promises(urgency={"coverage": 0.6})
    check_shared(bundle, other, NAMES)
    check_shared(bundle, promises(**{key: 0.85}), ["urgency"])
    rule = f"{key} is one for all tasks: category would stay at 0.85, the promises say 0.9"
    with pytest.raises(ConfigError, match=rule):
        check_shared(bundle, other, ["urgency"])


def test_a_level_binds_only_tasks_that_promise_something(manifest: Manifest) -> None:
    bare = [
        one.model_copy(update={"thresholds": {}, "sets": {}, "scope": None})
        for one in manifest.variants
    ]
    silent = asking(manifest.model_copy(update={"variants": tuple(bare)}), None)
    check_shared(silent, promises(level=0.9, sets=0.8, scope=0.95), ["urgency"])
