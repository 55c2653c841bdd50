"""A run that was stopped goes on as if it had not been, in one process and in several, whatever it
learns.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.tiny_bundle import WORDS
from tests.training.desk import silent, tiny_config, write_encoder
from tests.training.stopped import Interrupted, interrupted_after, losses, steps
from training.conclude import CHECKPOINT, conclude
from training.loop import STATE
from training.run import start, train

STOP = 12
"""Within the second of three epochs, four steps after a save: the encoder learns, and so does what
is beside the tasks."""


@pytest.fixture(scope="module")
def masking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder whose tokenizer has a mask."""
    return write_encoder(tmp_path_factory.mktemp("masking"), words=["[MASK]", *WORDS])


@pytest.fixture(scope="module")
def teacher(desk: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a wider network, whose features a student has to learn a map for."""
    place = tmp_path_factory.mktemp("teacher")
    start(tiny_config(write_encoder(place / "wide", width=48), epochs=1), desk, place / "run")
    conclude(train(place / "run", silent()), place / "run", silent())
    return place / "run" / CHECKPOINT


def beside(kind: str, teacher: Path) -> dict[str, Any]:
    """What a run learns besides its labels: `masked`, `distill` or `both`."""
    every = {
        "masked": {"weight": 0.5},
        "distill": {"teacher": str(teacher), "weight": 0.5, "hidden": 0.5},
    }
    return {name: value for name, value in every.items() if kind in {name, "both"}}


def assert_same(resumed: Path, whole: Path) -> None:
    """Every figure of every step, and every bit of what was learned and remembered at the end."""
    assert steps(resumed) == steps(whole)
    found, wanted = load_file(resumed / STATE), load_file(whole / STATE)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_a_resumed_run_has_the_losses_of_one_that_was_never_stopped(
    finished: Path, encoder: Path, desk: Path, tmp_path: Path
) -> None:
    for step in (2, 7, 13):
        directory = tmp_path / str(step)
        start(tiny_config(encoder), desk, directory)
        with pytest.raises(Interrupted):
            train(directory, interrupted_after(step))
        report = conclude(train(directory, silent()), directory, silent())
        assert losses(directory) == losses(finished)
        assert report == json.loads((finished / "report.json").read_text())


@pytest.mark.slow
def test_a_killed_process_resumes_to_the_same_losses(
    finished: Path, encoder: Path, desk: Path, tmp_path: Path
) -> None:
    directory = tmp_path / "killed"
    start(tiny_config(encoder), desk, directory)
    command = [sys.executable, "-m", "training", "resume", str(directory)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    events = directory / "events.jsonl"
    while process.poll() is None and (not events.exists() or len(losses(directory)) < 6):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.01)  # Rather than take the core that it needs.
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert losses(directory) == losses(finished)


@pytest.mark.parametrize("kind", ["masked", "distill"])
def test_a_run_that_learns_more_than_labels_resumes_to_the_same_losses(
    kind: str, masking: Path, desk: Path, teacher: Path, tmp_path: Path
) -> None:
    config = tiny_config(masking, **beside(kind, teacher))
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    start(config, desk, whole)
    train(whole, silent())
    assert sum(bool(one["objectives"].get(kind)) for one in steps(whole)) > STOP
    start(config, desk, stopped)
    with pytest.raises(Interrupted):
        train(stopped, interrupted_after(STOP))
    assert steps(stopped) == steps(whole)[: STOP + 1]
    train(stopped, silent())
    assert_same(stopped, whole)


@pytest.mark.slow
def test_two_processes_of_which_one_was_killed_resume_to_the_same_losses(
    masking: Path, desk: Path, teacher: Path, tmp_path: Path
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    config = tiny_config(masking, **beside("both", teacher))
    for directory in (whole, stopped):
        start(config, desk, directory)
    killed = two_processes(tmp_path, "--kill-after", str(STOP), str(stopped))
    assert killed.returncode != 0
    assert [one["step"] for one in steps(stopped)] == list(range(STOP + 1))
    two_processes(tmp_path, str(whole), str(stopped)).check_returncode()
    assert_same(stopped, whole)


def two_processes(place: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """`tests.training.worker` to its end."""
    starter = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    free = ["--standalone", "--log-dir", str(place / "log")]
    command = [*starter, *free, "-m", "tests.training.worker", *arguments]
    return subprocess.run(command, check=False, timeout=240, capture_output=True)
