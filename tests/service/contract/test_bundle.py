"""A sealed directory: any change to it is found, by name."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from service.contract.bundle import (
    Calibration,
    Manifest,
    check_digests,
    read_manifest,
    seal,
    to_bytes,
)
from service.contract.errors import BundleError
from tests.tiny_bundle import write_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


def test_a_sealed_bundle_checks_and_its_digest_is_stable(bundle: Path) -> None:
    assert check_digests(bundle) == check_digests(bundle)
    assert check_digests(bundle).startswith("sha256:")
    assert seal(bundle) == check_digests(bundle)


@pytest.mark.parametrize("name", ["manifest.json", "tokenizer.json", "MODEL_CARD.md"])
def test_one_flipped_bit_is_found(bundle: Path, name: str) -> None:
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 4
    (bundle / name).write_bytes(content)
    with pytest.raises(BundleError, match=f"{name} differs"):
        check_digests(bundle)


def test_a_missing_or_added_file_is_found(bundle: Path) -> None:
    (bundle / "notes.txt").write_text("hello")
    with pytest.raises(BundleError, match=r"holds notes\.txt"):
        check_digests(bundle)
    (bundle / "notes.txt").unlink()
    (bundle / "MODEL_CARD.md").unlink()
    with pytest.raises(BundleError, match=r"lacks MODEL_CARD\.md"):
        check_digests(bundle)


def test_a_link_is_refused(bundle: Path, tmp_path: Path) -> None:
    card = bundle / "MODEL_CARD.md"
    card.rename(tmp_path / "card")
    card.symlink_to(tmp_path / "card")
    with pytest.raises(BundleError, match="plain files only"):
        check_digests(bundle)


def test_a_directory_without_sums_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no readable SHA256SUMS"):
        check_digests(tmp_path)


def test_a_manifest_survives_a_round_trip(bundle: Path) -> None:
    manifest = read_manifest(bundle)
    assert Manifest.model_validate_json(to_bytes(manifest)) == manifest
    assert to_bytes(manifest) == to_bytes(read_manifest(bundle))


def test_a_manifest_of_an_older_harbor_has_no_spread_and_keeps_its_bytes(bundle: Path) -> None:
    before = (bundle / "manifest.json").read_bytes()
    assert b"spread" not in before
    manifest = read_manifest(bundle)
    assert {one.spread for one in manifest.variants[0].calibration.values()} == {0.0}
    assert to_bytes(manifest) == before


def test_a_spread_survives_a_round_trip_and_has_its_bounds() -> None:
    one = Calibration(method="temperature_spread", scale=(1.0,), bias=(0.0,), spread=0.25)
    assert Calibration.model_validate_json(one.model_dump_json()) == one
    for wrong in (-0.001, 1.0, float("nan"), float("inf")):
        with pytest.raises(ValidationError, match="spread"):
            Calibration(method="temperature", scale=(1.0,), bias=(0.0,), spread=wrong)


def test_a_manifest_that_breaks_a_rule_is_refused_by_place(bundle: Path) -> None:
    document = json.loads((bundle / "manifest.json").read_text())
    document["variants"][0]["calibration"]["category"]["scale"] = [1.0]
    (bundle / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(BundleError, match=r"manifest\.json is not valid at .*scale has 1 values"):
        read_manifest(bundle)
