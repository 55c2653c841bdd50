"""What a desk brings along: files of labelled tickets, promises, and bundles that it has edited."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto, numpy_helper

from service.contract.bundle import SUMS, seal
from service.engine.session import Session
from tests.export.tiny import TASKS
from training.calibration.promises import Promises, parse_promises
from training.data.sample import write_csv
from training.data.table import Row

NAMES = tuple(task.name for task in TASKS)


def edited(bundle: Path, copy: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of the bundle with another manifest, sealed."""
    shutil.copytree(bundle, copy)
    document = json.loads((copy / "manifest.json").read_bytes())
    change(document)
    (copy / "manifest.json").write_text(json.dumps(document), encoding="utf-8")
    (copy / SUMS).unlink()
    seal(copy)
    return copy


def written(path: Path, rows: list[Row], tasks: tuple[str, ...] = NAMES) -> Path:
    """The path, once the tickets stand there as CSV."""
    write_csv(path, rows, tasks)
    return path


def altered(bundle: Path, directory: Path, name: str, by: float) -> Session:
    """The bundle's graph with one value of the named initialiser moved."""
    model: ModelProto = onnx.load(bundle / "model.fp32.onnx")
    (tensor,) = (entry for entry in model.graph.initializer if entry.name == name)
    values = numpy_helper.to_array(tensor).copy()
    values.flat[1] += by
    tensor.CopyFrom(numpy_helper.from_array(values, name))
    onnx.save(model, directory / "graph.onnx")
    return Session.open(directory / "graph.onnx", TASKS, "cpu", threads=1)


def promises(**document: Any) -> Promises:
    """What a file of promises with these keys says."""
    return parse_promises(document, "the test")
