"""Every way to train goes through the one loop: it learns, and a kill changes nothing."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from tests.training.desk import LIMIT, silent, tiny_config
from training.conclude import conclude
from training.record import read_events
from training.run import start, train

SHARING = (
    "soft", "cross_stitch", "sluice", "lora", "bottleneck", "conditioned", "prefix", "mmoe", "ple",
)  # fmt: skip
WITH_MEMORY = ("dwa", "gradnorm", "random", "pcgrad", "nashmtl")
SAMPLED = ("temperature", "round_robin")
WAYS: dict[str, dict[str, Any]] = {
    **{f"sharing={name}": {"model": {"sharing": name}} for name in SHARING},
    **{f"balance={name}": {"balance": name} for name in WITH_MEMORY},
    **{f"sampling={name}": {"batch": {"sampling": name}} for name in SAMPLED},
    "passes": {"batch": {"accumulate": 2, "budget_tokens": 80}},
    "corn": {"tasks": {"category": {}, "urgency": {"loss": "corn"}}},
    "ordinal log-loss": {"tasks": {"category": {}, "urgency": {"loss": "ordinal_log_loss"}}},
    "two passes of checkpoints": {"model": {"checkpointing": True}, "balance": "upgrad"},
}


class Interrupted(Exception):
    """Stands for a kill."""


def go(directory: Path, encoder: Path, desk: Path, way: dict[str, Any], stop: int) -> Any:
    """The losses of each step of a run that was stopped after one and went on."""
    model = {"encoder": str(encoder), "token_limit": LIMIT, **way.get("model", {})}
    batch = {"size": 16, "length_window_steps": 3, **way.get("batch", {})}
    rest = {key: value for key, value in way.items() if key not in {"model", "batch"}}
    config = tiny_config(encoder, model=model, batch=batch, **rest)
    start(config, desk, directory)

    def interrupt(step: int, _: dict[str, float]) -> None:
        if step == stop:
            raise Interrupted

    if stop >= 0:
        with pytest.raises(Interrupted):
            train(directory, dataclasses.replace(silent(), step=interrupt))
    train(directory, silent())
    events = read_events(directory / "events.jsonl")
    return [(one["step"], one["losses"]) for one in events if one["event"] == "step"]


@pytest.mark.parametrize("name", WAYS)
def test_a_stopped_run_goes_on_to_the_same_losses(
    name: str, encoder: Path, desk: Path, tmp_path: Path
) -> None:
    whole = go(tmp_path / "whole", encoder, desk, WAYS[name], stop=-1)
    assert go(tmp_path / "stopped", encoder, desk, WAYS[name], stop=13) == whole
    first = [sum(losses.values()) for _, losses in whole[:4]]
    last = [sum(losses.values()) for _, losses in whole[-4:]]
    assert sum(last) < sum(first)


def test_a_streamed_run_is_the_run_in_memory(encoder: Path, desk: Path, tmp_path: Path) -> None:
    reports = {}
    for stream in (False, True):
        directory = tmp_path / str(stream)
        config = tiny_config(encoder, data={"stream": stream})
        start(config, desk, directory)
        reports[stream] = conclude(train(directory, silent()), directory, silent())
    for task, found in reports[True]["tasks"].items():
        # A resting encoder read the tickets in other batches: the last bits of a float differ.
        for kind, measures in found.items():
            assert measures == pytest.approx(reports[False]["tasks"][task][kind], abs=1e-3), kind
    assert (tmp_path / "True" / "stream").is_dir()


def test_a_run_is_watched_beside_single_task_models(
    encoder: Path, desk: Path, tmp_path: Path
) -> None:
    single = tmp_path / "alone" / "single" / "category" / "seed-7"
    single.mkdir(parents=True)
    (single / "report.json").write_text('{"validation_metric": 0.999}')
    document = {"tasks": {"category": {"single": [{"directory": "single/category/seed-7"}]}}}
    (tmp_path / "alone" / "baselines.json").write_text(json.dumps(document))
    # A head that cannot learn stays far below.
    config = tiny_config(encoder, optimizer={"encoder_rate": 1e-9, "head_rate": 1e-9}, epochs=4)
    start(config, desk, tmp_path / "run", tmp_path / "alone")
    train(tmp_path / "run", silent())
    alerts = [
        one for one in read_events(tmp_path / "run" / "events.jsonl") if one["event"] == "alert"
    ]
    assert ["category"] in [one["tasks"] for one in alerts if one["kind"] == "negative_transfer"]


def test_a_run_tells_what_it_drew_and_what_its_gradients_say(
    encoder: Path, desk: Path, tmp_path: Path
) -> None:
    way = {"model": {"sharing": "mmoe"}, "diagnostics": {"every_steps": 2, "per_layer": True}}
    go(tmp_path, encoder, desk, way, stop=-1)
    events = read_events(tmp_path / "events.jsonl")
    told = {event["event"]: event for event in events}
    assert told["sampling"]["drawn"] == pytest.approx(told["sampling"]["stated"])
    assert set(told["gradients"]["cosines"]) == {"category|urgency"}
    assert told["gradients"]["layers"]
    assert sum(told["experts"]["load"]["category"]) == pytest.approx(1.0, abs=1e-4)
    assert 0.0 < told["throughput"]["padding_share"] < 1.0
