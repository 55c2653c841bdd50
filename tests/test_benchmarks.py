"""The benchmarks' logic, on the tiny bundle and the CPU provider, in small numbers."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from service.contract.tasks import Task
from service.contract.ticket import Ticket
from service.contract.tokens import Tokens
from tests.benchmarks import device, held_out, memory
from tests.benchmarks.load import BROKEN, Exchange, closed_loop
from tests.benchmarks.measure import by_length
from tests.benchmarks.placement import MisplacedError, check
from tests.benchmarks.server import ServerFailedError, free_port, serving
from tests.benchmarks.table import markdown
from tests.tiny_bundle import write_bundle
from training.data.table import Row

DESK = [Ticket(subject=f"Invoice {n}", body="charged twice " * (n % 7 + 1)) for n in range(24)]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("benchmarks") / "bundle")


def test_costly_operators_off_the_provider_fail_the_proof() -> None:
    placed = Counter({("MatMul", "CUDAExecutionProvider"): 9, ("Gemm", "CPUExecutionProvider"): 1})
    with pytest.raises(MisplacedError, match="not on cuda: Gemm"):
        check(placed, "cuda")


def test_a_graph_without_costly_operators_proves_nothing() -> None:
    with pytest.raises(MisplacedError, match="no costly operator"):
        check(Counter({("Shape", "CPUExecutionProvider"): 3}), "cpu")


def test_shape_arithmetic_may_stay_on_the_cpu() -> None:
    placed = Counter({("MatMul", "CUDAExecutionProvider"): 9, ("Shape", "CPUExecutionProvider"): 4})
    assert check(placed, "cuda") == 9


def test_batches_by_length_lose_no_ticket() -> None:
    tokens = [Tokens(np.zeros(n * 7 % 13, dtype=np.int64), truncated=False) for n in range(24)]
    batches = list(by_length(tokens, 5))
    assert [len(batch) for batch in batches] == [5, 5, 5, 5, 4]
    assert [len(ticket) for batch in batches for ticket in batch] == sorted(map(len, tokens))


@pytest.mark.slow
def test_memory_and_start_are_measured(bundle: Path) -> None:
    found = memory.measure(bundle, DESK, clients=4)
    assert found.failures == 0
    assert 0 < found.idle_mb < 2000
    assert found.start_s > 0


def test_the_closed_loop_keeps_the_order_of_the_bodies(bundle: Path) -> None:
    bodies = [json.dumps({"subject": "a", "ticket_id": str(n)}).encode() for n in range(20)]
    with serving(bundle) as server:
        load = asyncio.run(closed_loop(server.url, [*bodies, b"{"], clients=3))
    assert load.failures == 1
    replies = [json.loads(exchange.body) for exchange in load.done[:-1]]
    assert [reply["ticket_id"] for reply in replies] == [str(n) for n in range(20)]


def test_the_closed_loop_starts_nothing_after_its_limit() -> None:
    load = asyncio.run(closed_loop("http://127.0.0.1:1", [b"{}"] * 3, clients=2, limit_s=0.0))
    assert load.exchanges == (None, None, None)


def test_a_connection_that_fails_is_counted() -> None:
    load = asyncio.run(closed_loop(f"http://127.0.0.1:{free_port()}", [b"{}"] * 3, clients=2))
    assert [exchange.status for exchange in load.done] == [BROKEN] * 3
    assert load.failures == 3


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(ServerFailedError, match="the server ended with"), serving(tmp_path):
        pass


def test_held_out_measures_count_only_labelled_tickets() -> None:
    task = Task(name="queue", labels=("a", "b"))
    rows = [_row("1", "a"), _row("2", "b"), _row("3", None), _row("4", "b")]
    answers = [_answer(label, 0.9) for label in ("a", "b", "b", "a")]
    found = held_out.measures(task, rows, answers)
    assert found["n"] == 3
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["ece"] == pytest.approx((0.1 + 0.1 + 0.9) / 3)


def test_a_hesitant_answer_still_wins_over_what_is_spread() -> None:
    assert held_out._scores(4, 2, 0.26).argmax() == 2
    assert np.exp(held_out._scores(4, 2, 0.26)).sum() == pytest.approx(1.0)


def test_held_out_rows_stand_beside_the_run_s_baselines() -> None:
    report = {"tasks": {"queue": {"tfidf": {"n": 3, "accuracy": 0.5}, "majority": {"n": 3}}}}
    lines = held_out.table_rows("queue", {"n": 3.0, "accuracy": 2 / 3}, report)
    assert lines[0] == ["queue", "Harbor", "3", "0.667", "", "", ""]
    assert [line[1] for line in lines[1:]] == ["TF-IDF + logistic regression", "majority"]


def test_a_gpu_s_name_and_driver_are_read() -> None:
    listing = "NVIDIA A10, 550.54\nNVIDIA A10, 550.54\n"
    assert device.read_gpu(listing) == {"gpu": "NVIDIA A10", "driver": "550.54"}
    assert device.read_gpu("") == {"gpu": "none"}


def test_the_share_that_a_hypervisor_takes_is_of_what_programs_wanted() -> None:
    before, after = (
        SimpleNamespace(user=5.0, system=1.0, steal=2.0),
        SimpleNamespace(user=7.0, system=2.0, steal=3.0),
    )
    assert device.stolen(before, after) == 0.25
    assert device.stolen(before, before) == 0.0


def test_a_processor_without_a_name_is_its_architecture(tmp_path: Path) -> None:
    assert device.processor(tmp_path / "missing")


def test_the_table_is_markdown() -> None:
    assert markdown(("a", "b"), [("x", "1")]) == "| a | b |\n| --- | ---: |\n| x | 1 |"


def _row(name: str, label: str | None) -> Row:
    return Row(id=name, subject=name, body="", labels={} if label is None else {"queue": label})


def _answer(label: str, confidence: float) -> Exchange:
    reply = {"predictions": {"queue": {"label": label, "confidence": confidence}}}
    return Exchange(200, json.dumps(reply).encode(), 0.01)
