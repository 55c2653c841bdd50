"""Which provider is opened, when the service falls back, and when it refuses."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest

from service.contract.tasks import Task
from service.engine import providers
from service.engine.cuda import Cuda
from service.engine.device import Device
from service.engine.providers import Opened, open_sessions
from service.engine.session import Session
from service.errors import InferenceFailed, ProviderMissing
from tests.service.engine.crowded import Crowded
from tests.tiny_bundle import DEFAULT_TASKS, GRAPH, write_bundle


class Host:
    """A host with or without driver; every session that it opens computes on the CPU."""

    def __init__(self, *, driver: bool, cuda: Exception | None) -> None:
        self._driver = driver
        self._cuda = cuda
        self.asked: list[str] = []

    def driver(self) -> bool:
        return self._driver

    def open(
        self,
        graph: Path,
        tasks: tuple[Task, ...],
        provider: Device,
        threads: int,
        cuda: Cuda | None = None,
    ) -> Session:
        self.asked.append(provider if cuda is None else f"{provider}:{cuda.device}")
        if provider == "cuda" and self._cuda is not None:
            raise self._cuda
        return Session.open(graph, tasks, "cpu", threads)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundles") / "bundle") / GRAPH


def _open(
    graph: Path,
    host: Host,
    wanted: Literal["auto", "cuda", "cpu"],
    cudas: Sequence[Cuda] = (Cuda(),),
) -> Opened:
    return open_sessions(
        graph,
        DEFAULT_TASKS,
        wanted,
        sessions=3,
        threads=1,
        cudas=cudas,
        driver=host.driver,
        opener=host.open,
    )


def test_cuda_is_one_session(graph: Path) -> None:
    for wanted in ("cuda", "auto"):
        host = Host(driver=True, cuda=None)
        opened = _open(graph, host, wanted)  # type: ignore[arg-type]
        assert (opened.provider, len(opened.sessions), opened.degraded) == ("cuda", 1, False)


def test_each_gpu_gets_a_session_of_its_own_in_the_order_asked_for(graph: Path) -> None:
    host = Host(driver=True, cuda=None)
    opened = _open(graph, host, "auto", [Cuda(device=device) for device in (1, 3, 0)])
    assert host.asked == ["cuda:1", "cuda:3", "cuda:0"]
    assert len(set(opened.sessions)) == 3


def test_a_gpu_that_is_missing_among_several_sends_all_to_the_cpu_visibly(graph: Path) -> None:
    class OneGpu(Host):
        def open(
            self,
            graph: Path,
            tasks: tuple[Task, ...],
            provider: Device,
            threads: int,
            cuda: Cuda | None = None,
        ) -> Session:
            if cuda is not None and cuda.device > 0:
                raise ProviderMissing("CUDA does not start: invalid device ordinal")
            return super().open(graph, tasks, provider, threads, cuda)

    host = OneGpu(driver=True, cuda=None)
    opened = _open(graph, host, "auto", [Cuda(device=0), Cuda(device=1)])
    assert (opened.provider, opened.degraded, len(opened.sessions)) == ("cpu", True, 3)
    with pytest.raises(ProviderMissing, match="invalid device ordinal"):
        _open(graph, host, "cuda", [Cuda(device=0), Cuda(device=1)])


def test_the_cpu_runs_as_many_batches_side_by_side_as_asked(graph: Path) -> None:
    host = Host(driver=True, cuda=None)
    opened = _open(graph, host, "cpu")
    assert (opened.provider, len(opened.sessions), opened.degraded) == ("cpu", 3, False)
    assert len(set(opened.sessions)) == 3


@pytest.mark.parametrize("at_once", [True, False])
def test_copies_are_opened_on_all_cores_or_where_they_must_not_on_one(
    graph: Path, at_once: bool
) -> None:
    crowded = Crowded()
    opened = open_sessions(
        graph,
        DEFAULT_TASKS,
        "cpu",
        sessions=3,
        threads=1,
        at_once=at_once,
        opener=crowded.open,
    )
    assert len(set(opened.sessions)) == 3
    assert (crowded.most > 1) == (at_once and (os.cpu_count() or 1) > 1)


@pytest.mark.parametrize(("copies", "held"), [(2.5, 2), (1.0, 1), (0.5, 1)])
def test_batches_side_by_side_share_a_graph_where_a_copy_for_each_is_too_much(
    graph: Path, monkeypatch: pytest.MonkeyPatch, copies: float, held: int
) -> None:
    monkeypatch.setattr(providers, "COPIES_BYTES", int(copies * graph.stat().st_size))
    host = Host(driver=False, cuda=None)
    opened = _open(graph, host, "cpu")
    assert (len(opened.sessions), len(set(opened.sessions)), len(host.asked)) == (3, held, held)


def test_auto_on_a_host_without_a_driver_serves_on_the_cpu_and_is_not_degraded(
    graph: Path,
) -> None:
    host = Host(driver=False, cuda=None)
    opened = _open(graph, host, "auto")
    assert (opened.provider, opened.degraded) == ("cpu", False)
    assert opened.reason == "this host has no NVIDIA driver"
    assert set(host.asked) == {"cpu"}


def test_auto_falls_back_visibly_where_cuda_does_not_start(
    graph: Path, caplog: pytest.LogCaptureFixture
) -> None:
    host = Host(driver=True, cuda=ProviderMissing("libcublasLt.so.13: no such file"))
    opened = _open(graph, host, "auto")
    assert (opened.provider, opened.degraded) == ("cpu", True)
    assert opened.reason == "libcublasLt.so.13: no such file"
    assert "libcublasLt.so.13" in caplog.text


def test_cuda_refuses_a_host_without_a_driver_and_names_it(graph: Path) -> None:
    host = Host(driver=False, cuda=None)
    with pytest.raises(ProviderMissing, match=r"libcuda\.so\.1"):
        _open(graph, host, "cuda")
    assert host.asked == []


def test_cuda_never_falls_back(graph: Path) -> None:
    host = Host(driver=True, cuda=ProviderMissing("libcudnn.so.9: no such file"))
    with pytest.raises(ProviderMissing, match=r"libcudnn\.so\.9"):
        _open(graph, host, "cuda")
    assert host.asked == ["cuda:0"]


def test_a_graph_that_fails_on_cuda_is_no_reason_to_fall_back(graph: Path) -> None:
    host = Host(driver=True, cuda=InferenceFailed("the graph does not load"))
    with pytest.raises(InferenceFailed):
        _open(graph, host, "auto")
