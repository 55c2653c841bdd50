"""A bundle comes in; the same one with a graph that costs next to nothing goes out.

What a server spends on a ticket of a hollow bundle is what it adds to the graph.
"""

import shutil
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from service.contract.bundle import (
    MANIFEST,
    SUMS,
    TOKENIZER,
    Golden,
    GoldenTicket,
    Manifest,
    Variant,
    read_golden,
    read_manifest,
    seal,
    to_bytes,
)
from service.contract.ticket import render
from service.contract.tokens import Tokenizer, pad
from service.engine.outputs import Outputs
from service.engine.session import IDS, MASK, SCOPE, Session

SEED = 6


def write_hollow(bundle: Path, directory: Path) -> Path:
    """Writes a sealed bundle into `directory` (made if missing) and returns it.

    Of the bundle it keeps everything but the first variant's graph, the golden answers, which are
    the new graph's, and other variants.
    """
    directory.mkdir(parents=True, exist_ok=True)
    manifest = read_manifest(bundle)
    variant = manifest.variants[0]
    dropped = {MANIFEST, SUMS, *(name for one in manifest.variants for name in (one.file,))}
    for path in bundle.iterdir():
        if path.name not in dropped:
            shutil.copyfile(path, directory / path.name)
    native = Session.open(bundle / variant.file, manifest.tasks, "cpu", threads=1)
    graph = directory / variant.file
    graph.write_bytes(_graph(manifest, native.metadata, has_scope=native.has_scope))
    golden = _answered(read_golden(bundle, variant), graph, manifest, directory)
    (directory / variant.golden).write_bytes(to_bytes(golden))
    kept = manifest.model_copy(update={"variants": (variant,)})
    (directory / MANIFEST).write_bytes(to_bytes(kept))
    seal(directory)
    return directory


def open_hollow(directory: Path) -> Session:
    """The graph of a hollow bundle, on one thread."""
    manifest = read_manifest(directory)
    return Session.open(directory / _only(manifest).file, manifest.tasks, "cpu", threads=1)


def _only(manifest: Manifest) -> Variant:
    (variant,) = manifest.variants
    return variant


def _graph(manifest: Manifest, metadata: dict[str, str], *, has_scope: bool) -> bytes:
    """Fixed answers, one a ticket: each is a constant row times a column of ones."""
    random = np.random.default_rng(SEED)
    make = helper.make_node
    nodes = [
        make("Cast", [MASK], ["mask"], to=TensorProto.FLOAT),
        make("ReduceMax", ["mask", "axis"], ["ones"], keepdims=1),
    ]
    constants = {"axis": np.array([1], dtype=np.int64)}
    outputs = []
    for task in manifest.tasks:
        logits_C = random.normal(size=task.classes).astype(np.float32) * 2
        shares_C = np.exp(logits_C)
        for kind, row_C in (("logits", logits_C), ("probabilities", shares_C / shares_C.sum())):
            name = f"{task.name}_{kind}"
            constants[f"{name}_row"] = row_C[None]
            nodes.append(make("Mul", ["ones", f"{name}_row"], [name]))
            shape = ["batch", task.classes]
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    if has_scope:
        nodes.append(make("ReduceMax", ["mask", "axis"], [SCOPE], keepdims=0))
        outputs.append(helper.make_tensor_value_info(SCOPE, TensorProto.FLOAT, ["batch"]))
    return _serialised(nodes, outputs, constants, metadata)


def _serialised(
    nodes: list[onnx.NodeProto],
    outputs: list[onnx.ValueInfoProto],
    constants: dict[str, NDArray[np.generic]],
    metadata: dict[str, str],
) -> bytes:
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
        for name in (IDS, MASK)
    ]
    given = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    body = helper.make_graph(nodes, "hollow", inputs, outputs, given)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _answered(golden: Golden, graph: Path, manifest: Manifest, directory: Path) -> Golden:
    """The golden tickets with what the graph says to each alone."""
    session = Session.open(graph, manifest.tasks, "cpu", threads=1)
    tokenizer = Tokenizer.from_file(directory / TOKENIZER, manifest.token_limit)

    def answered(ticket: GoldenTicket) -> GoldenTicket:
        tokens = tokenizer.encode(render(ticket.subject, ticket.body))
        return _with_answers(ticket, session.run(*pad([tokens], manifest.pad_id)))

    return Golden(tickets=tuple(answered(ticket) for ticket in golden.tickets))


def _with_answers(ticket: GoldenTicket, outputs: Outputs) -> GoldenTicket:
    rows = {
        name: tuple(float(value) for value in array_BC[0])
        for name, array_BC in outputs.probabilities.items()
    }
    scope = None if outputs.scope_B is None else float(outputs.scope_B[0])
    return ticket.model_copy(update={"probabilities": rows, "scope": scope})
