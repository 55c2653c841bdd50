"""The benchmark of a GPU and what it is made of, on the tiny bundle and the CPU provider."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from service.contract.ticket import Ticket
from service.engine.batcher import Limits
from service.errors import ProviderMissing
from tests.benchmarks import crossings, noop, opened, workers
from tests.benchmarks.bounds import Figure, at_least, at_most
from tests.benchmarks.gpu import __main__ as cli
from tests.benchmarks.gpu import device_memory, proof, raw, served
from tests.benchmarks.gpu.plan import Plan, plan_for
from tests.benchmarks.gpu.run import measure
from tests.benchmarks.gpu.sheet import Missing, NotMeasurable, Sheet
from tests.benchmarks.gpu.subject import Raw, Subject
from tests.benchmarks.http.desk import Desk, desk_of
from tests.benchmarks.opened import open_variant
from tests.benchmarks.placement import PROVIDERS, MisplacedError
from tests.tiny_bundle import write_bundle
from tests.tiny_ragged import add_ragged

TICKETS = [Ticket(subject=f"Invoice {n}", body="charged twice " * (n % 7 + 1)) for n in range(48)]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return add_ragged(write_bundle(tmp_path_factory.mktemp("gpu") / "bundle"))


@pytest.fixture(scope="module")
def desk(bundle: Path) -> Desk:
    return desk_of(bundle, TICKETS)


@pytest.fixture
def subject(bundle: Path, desk: Desk) -> Subject:
    return Subject.of(bundle, desk)


@pytest.fixture
def plan() -> Plan:
    return replace(plan_for("cpu", 2, 1.0, 300.0), questions=320)


def both(subject: Subject) -> list[opened.Opened]:
    variants = subject.manifest.variants
    return [open_variant(subject.bundle, subject.manifest, one, "cpu") for one in variants]


@pytest.mark.slow
def test_every_figure_is_measured_on_the_cpu_provider(bundle: Path, desk: Desk, plan: Plan) -> None:
    sheet = measure(bundle, desk, plan)
    missing = {entry.measure for entry in sheet.found if isinstance(entry, Missing)}
    assert missing <= {
        "fp32 padded: device memory",
        "fp32 ragged: device memory",
        *(f"bytes alone by {way}" for way in crossings.absent()),
    }
    found = {one.measure: one for one in sheet.found if isinstance(one, Figure)}
    assert all(np.isfinite(figure.value) for figure in found.values())
    for name in ("fp32 padded", "fp32 ragged"):
        assert found[f"{name}: requests that failed"].value == 0
        assert found[f"{name}: its tickets that failed"].value == 0
        assert found[f"{name}: largest difference of a probability"].holds
        assert found[f"{name}: batch endpoint over raw"].value > 0
    assert found["fp32 padded: Harbor over plain FastAPI"].value > 0
    assert found["fp32: padding-free over padded"].value > 0
    assert found["one front's no-op rate, on a core of its own"].value > 0
    assert found["front to core and back, p50"].value > 0


@pytest.mark.slow
def test_two_fronts_are_compared_with_one_process(bundle: Path, desk: Desk) -> None:
    found = {one.measure: one for one in workers.measure(bundle, desk, rounds=1, seconds=1.0)}
    for clients in workers.CLIENTS:
        assert found[f"--workers 2 over one process, {clients} clients"].value > 0
    assert found["requests that failed"].value == 0
    assert found["batch endpoint of --workers 2 over raw"].value > 0
    held = found["memory: of it the core"].value + found["memory: of it a front"].value
    assert held < found["memory: --workers 2, all processes"].value


def test_a_part_that_fails_is_told_and_the_others_go_on() -> None:
    sheet = Sheet(60.0)

    def half() -> Iterator[Figure]:
        yield Figure("first", 1.0)
        raise ValueError("no such luck")

    def none() -> list[Figure]:
        raise NotMeasurable("there is no GPU")

    sheet.part("second", 1.0, half)
    sheet.part("third", 1.0, none)
    sheet.part("fourth", 1.0, lambda: [Figure("fourth", 4.0)])
    assert [entry.measure for entry in sheet.found] == ["first", "second", "third", "fourth"]
    assert [entry.holds for entry in sheet.found] == [True, False, True, True]
    assert sheet.found[1].row() == ("second", "not measured: ValueError: no such luck", "", "NO")
    assert sheet.found[2].row() == ("third", "not measured: there is no GPU", "", "")


def test_a_part_for_which_no_time_is_left_is_told() -> None:
    now = iter([0.0, 10.0, 10.0, 95.0])
    sheet = Sheet(100.0, lambda: next(now))
    sheet.part("one", 20.0, lambda: [Figure("one", 1.0)])
    sheet.part("other", 20.0, lambda: [Figure("other", 2.0)])
    assert sheet.found[0] == Figure("one", 1.0)
    assert sheet.found[1] == Missing("other", "20 s are needed, 5 s are left", fault=True)


@pytest.mark.parametrize("error", [MisplacedError("on the CPU"), ProviderMissing("no CUDA")])
def test_a_graph_that_is_not_on_the_provider_ends_the_run(error: Exception) -> None:
    def part() -> list[Figure]:
        raise error

    with pytest.raises(type(error)):
        Sheet(60.0).part("proof", 1.0, part)


def test_a_session_that_does_not_list_the_provider_is_refused(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PROVIDERS, "cpu", "CUDAExecutionProvider")
    with pytest.raises(MisplacedError, match=r"lists \['CPUExecutionProvider'\]"):
        both(subject)


def test_variants_for_the_other_provider_alone_are_told(tmp_path: Path, plan: Plan) -> None:
    bundle = add_ragged(write_bundle(tmp_path / "bundle"), providers=("cuda",))
    desk = desk_of(bundle, TICKETS[:8])
    sheet = measure(bundle, desk, replace(plan, limit_s=0.0))
    assert Missing("fp32 ragged", "it is for cuda alone") in sheet.found
    opening = next(one for one in sheet.found if one.measure == "fp32 padded: opening")
    assert not opening.holds


def test_both_layouts_are_proven_and_agree(subject: Subject, plan: Plan) -> None:
    references: dict[str, proof.Rows] = {}
    for one in both(subject):
        (nodes,) = proof.provider(subject, one, plan)
        assert nodes.value >= 3
        same, gap = proof.agreement(subject, one, plan, references)
        assert (same.value, gap.value) == (1.0, 0.0)
        assert same.bound == at_least(0.999)
        assert gap.bound == at_most(1e-3)


def test_another_model_does_not_agree(subject: Subject, plan: Plan, tmp_path: Path) -> None:
    other = Subject.of(write_bundle(tmp_path / "other", seed=1), subject.desk)
    one, two = both(subject)[0], both(other)[0]
    references = {one.variant.file: proof.answers(other, two, 1)}
    same, gap = proof.agreement(subject, one, plan, references)
    assert not same.holds
    assert gap.value > 0.01


def test_a_graph_for_cuda_alone_is_compared_with_the_padded_one(tmp_path: Path) -> None:
    bundle = add_ragged(write_bundle(tmp_path / "bundle"), providers=("cuda",))
    subject = Subject.of(bundle, desk_of(bundle, TICKETS[:4]))
    padded, ragged = subject.manifest.variants
    assert proof.twin_of(subject, ragged) == padded
    lone = subject.manifest.model_copy(update={"variants": (ragged,)})
    with pytest.raises(NotMeasurable, match="no fp32 graph for the CPU"):
        proof.twin_of(replace(subject, manifest=lone), ragged)


def test_the_batcher_is_given_every_ticket(subject: Subject) -> None:
    for one in both(subject):
        ran: list[int] = []

        class Counting:
            def __init__(self, inner: opened.Opened) -> None:
                self.lay_out, self.inner = inner.lay_out, inner

            def run(self, arrays: object) -> None:
                ran.append(len(arrays))  # type: ignore[arg-type]  # noqa: B023
                self.inner.run(arrays)  # type: ignore[arg-type]

        limits = Limits(4, 4 * 64, 32, layout=one.variant.layout)
        assert raw.by_batcher(Counting(one), subject.tokens, limits, 16, 0.02) > 0  # type: ignore[arg-type]
        assert max(ran) <= 4
        assert sum(ran) > 16


def test_padding_free_is_compared_only_where_both_layouts_were_measured(
    subject: Subject, plan: Plan
) -> None:
    bounded = replace(plan, bounded=True)
    with pytest.raises(NotMeasurable, match="one of the two"):
        list(raw.unpadded(subject, "fp32", bounded))
    with pytest.raises(NotMeasurable, match="the bundle's fp16 graphs are"):
        list(raw.unpadded(subject, "fp16", bounded))
    subject.paced = {"fp32 padded": 100.0, "fp32 ragged": 130.0}
    subject.raw = {name: Raw(200.0, 8) for name in subject.paced}
    ratio, over_sorted = raw.unpadded(subject, "fp32", bounded)
    assert ratio.value == pytest.approx(1.3)
    assert ratio.bound == at_least(1.2)
    assert over_sorted.value == 1.0


def test_a_plain_server_is_not_measured_without_harbor(subject: Subject, plan: Plan) -> None:
    padded, ragged = subject.manifest.variants
    with pytest.raises(NotMeasurable, match="Harbor's own was not measured"):
        list(served.plain(subject, padded, plan))
    with pytest.raises(NotMeasurable, match="a plain server pads"):
        list(served.plain(subject, ragged, plan))


def test_the_memory_that_nvidia_smi_tells_is_read() -> None:
    assert device_memory.read_used("1432\n") == 1432.0
    with pytest.raises(NotMeasurable, match="Insufficient Permissions"):
        device_memory.read_used("[Insufficient Permissions]\n")


def test_a_gpu_s_plan_binds_its_figures() -> None:
    plan = plan_for("cuda", None, None, 540.0)
    assert (plan.workers, plan.bounded) == (8, True)
    assert "--provider" in plan.flags
    assert not plan_for("cpu", None, None, 540.0).bounded


def test_a_machine_without_cuda_says_so(bundle: Path, tmp_path: Path) -> None:
    flags = ["--bundle", str(bundle), "--tickets", "64", "--json", str(tmp_path / "out.json")]
    app = typer.Typer()
    app.command()(cli.main)
    run = CliRunner().invoke(app, [*flags, "--provider", "cuda"])
    assert isinstance(run.exception, ProviderMissing)


def test_what_was_not_measured_stands_in_the_file() -> None:
    sheet = Sheet(60.0)
    sheet.found = [Figure("one", 1.0, at_least(2.0)), Missing("other", "no GPU")]
    document = json.loads(json.dumps(cli.document({"gpu": "none"}, sheet)))
    assert [entry["holds"] for entry in document["figures"]] == [False, True]
    assert document["figures"][1]["why"] == "no GPU"


def test_raw_runs_on_several_threads(subject: Subject) -> None:
    one = both(subject)[0]
    assert opened.per_s(one, subject.tokens, 8, threads=2, seconds=0.05) > 0


@pytest.mark.slow
def test_a_front_alone_tells_its_own_rate(bundle: Path, desk: Desk) -> None:
    found = noop.measure(bundle, desk.bodies, 1.0, "--ledger", "off")
    assert found.seen_per_s > 0
    assert found.per_s == pytest.approx(1e6 / found.front_us)
    assert found.core_us > 0
