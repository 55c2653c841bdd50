"""A bundle on devices that may be lost: what opens them again, and what stands in."""

import time
from pathlib import Path

import numpy as np
import pytest

from service.contract.tokens import IntArray, Tokens
from service.engine.answer import Answer, BatchReport
from service.engine.cuda import Cuda
from service.engine.layout import Flat, Layout
from service.engine.outputs import Outputs
from service.engine.providers import Opened
from service.engine.runner import run
from service.engine.session import Session, open_native
from service.engine.trouble import DeviceLost
from service.errors import BundleRefused
from service.opening import _engine, open_bundle
from service.reopening import Proof, spare_of, stand_in
from service.settings import Settings
from tests.tiny_bundle import DEFAULT_TASKS, reseal, write_bundle
from tests.tiny_ragged import add_ragged


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """One with a padded and a ragged graph."""
    return add_ragged(write_bundle(tmp_path / "bundle"))


def _settings(bundle: Path, **changes: object) -> Settings:
    return Settings(**{"bundle": bundle, "provider": "cpu", "sessions": 2, **changes})


def _proof(bundle: Path, **changes: object) -> Proof:
    opened = open_bundle(bundle, _settings(bundle, **changes))
    parts = (opened.directory, opened.digest, opened.manifest, opened.variant, opened.tokenizer)
    return Proof(*parts)


def test_what_stands_in_on_the_cpu_is_the_graph_itself_or_else_a_padded_one(bundle: Path) -> None:
    manifest = open_bundle(bundle, _settings(bundle)).manifest
    padded, ragged = manifest.variants
    assert stand_in(manifest, ragged) is ragged
    far = ragged.model_copy(update={"providers": ("cuda",)})
    alone = manifest.model_copy(update={"variants": (padded, far)})
    assert stand_in(alone, far) is padded
    half = padded.model_copy(update={"precision": "fp16", "providers": ("cuda",)})
    assert stand_in(manifest.model_copy(update={"variants": (half, padded)}), half) is padded
    assert stand_in(manifest.model_copy(update={"variants": (half, far)}), half) is None
    slow = half.model_copy(update={"providers": ("cpu", "cuda")})
    assert stand_in(manifest.model_copy(update={"variants": (slow, padded)}), slow) is padded
    assert stand_in(manifest.model_copy(update={"variants": (slow, far)}), slow) is slow


@pytest.mark.parametrize("layout", ["padded", "ragged"])
def test_a_spare_answers_what_the_device_would_have(bundle: Path, layout: Layout) -> None:
    proof = _proof(bundle, layout=layout)
    spare = spare_of(proof, 2)
    assert spare is not None
    session = proof.open_again("cpu", 1)
    flat = Flat.of([Tokens(np.arange(2, 2 + size), truncated=False) for size in (5, 9, 2)])
    arrays = flat if layout == "ragged" else flat.padded(proof.manifest.pad_id)
    one, other = run(session, arrays), run(spare.session(), arrays)
    for name, rows in one.probabilities.items():
        np.testing.assert_allclose(other.probabilities[name], rows, atol=1e-6)
    spare.close()


def test_a_bundle_that_was_replaced_meanwhile_stands_in_for_nothing(bundle: Path) -> None:
    proof = _proof(bundle)
    spare = spare_of(proof, 1)
    assert spare is not None
    (bundle / "MODEL_CARD.md").write_text("another one", encoding="utf-8")
    reseal(bundle)
    with pytest.raises(DeviceLost, match="holds another bundle"):
        spare.session()
    with pytest.raises(BundleRefused, match="holds another bundle"):
        proof.open_again("cpu", 1)
    spare.close()


class Mortal(Session):
    """A real graph on the CPU that can be told to be lost."""

    dead = False
    runs = 0

    def run(self, ids_BL: IntArray, mask_BL: IntArray) -> Outputs:
        self._live()
        return super().run(ids_BL, mask_BL)

    def run_ragged(self, flat: Flat) -> Outputs:
        self._live()
        return super().run_ragged(flat)

    def _live(self) -> None:
        if self.dead:
            raise DeviceLost("CUDA failure 719: unspecified launch failure")
        self.runs += 1


@pytest.mark.parametrize("layout", ["padded", "ragged"])
async def test_an_engine_on_several_gpus_uses_each_and_survives_the_loss_of_all(
    bundle: Path, layout: Layout
) -> None:
    proof = _proof(bundle, layout=layout)
    graph = bundle / proof.variant.file
    gpus = [Mortal(open_native(graph, "cpu", 1, Cuda()), DEFAULT_TASKS, "cuda") for _ in range(2)]
    reports: list[BatchReport] = []
    settings = _settings(bundle, layout=layout, cuda_devices="0,1,0", max_batch=1)
    engine = _engine(Opened(tuple(gpus), "cuda"), proof, settings, reports.append)
    tickets = [Tokens(np.arange(2, 2 + size), truncated=False) for size in range(1, 30)]

    async def ask() -> list[Answer]:
        return [await engine.submit(tokens, time.monotonic() + 60.0) for tokens in tickets]

    async with engine:
        assert len(engine._workers) == 4
        assert all(gpu.runs for gpu in gpus)
        whole = await ask()
        for gpu in gpus:
            gpu.dead = True
        fallen = await ask()
    assert {(one.provider, one.degraded) for one in whole} == {("cuda", False)}
    assert {(one.provider, one.degraded) for one in fallen} == {("cpu", True)}
    for one, other in zip(whole, fallen, strict=True):
        for name, row in one.probabilities.items():
            np.testing.assert_allclose(other.probabilities[name], row, atol=1e-6)
    assert sum(report.failed for report in reports) == 0
    assert 1 <= sum(report.device.losses for report in reports if report.device) <= 2
