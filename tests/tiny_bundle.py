"""Builds a tiny valid bundle without torch: an embedding, a masked mean, a linear head a task, and
where it is asked for a scope score.

The weights depend on the seed alone, so bundles of different seeds give different answers to the
same ticket.
"""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer as FastTokenizer
from tokenizers import models, normalizers, pre_tokenizers, processors

from service.contract.bundle import (
    CARD,
    MANIFEST,
    SUMS,
    TOKENIZER,
    Calibration,
    Golden,
    GoldenTicket,
    Manifest,
    Variant,
    seal,
    to_bytes,
)
from service.contract.promises import Scope, SetRule, Threshold
from service.contract.tasks import Task
from service.contract.ticket import TEXT_TEMPLATE_VERSION, render
from service.contract.tokens import Tokenizer, pad
from service.engine.session import IDS, MASK, SCOPE, Session

GRAPH, GOLDEN = "model.fp32.onnx", "golden.fp32.json"
TOKEN_LIMIT = 64
DEFAULT_TASKS = (
    Task(name="category", labels=("billing", "technical", "account")),
    Task(name="urgency", labels=("P0", "P1", "P2", "P3"), kind="ordinal"),
    Task(name="queue", labels=("payments", "platform")),
)
GOLDEN_TEXTS = (
    ("Invoice twice", "I was charged twice for March, please refund"),
    ("Login fails", "The password reset mail never arrives"),
    ("", "printer"),
    ("Réclamation 😀", "x" * 400),
)
WORDS = [
    "invoice",
    "charged",
    "twice",
    "refund",
    "login",
    "password",
    "reset",
    "mail",
    "printer",
    "please",
    "the",
    "for",
    "error",
    "server",
    "down",
]
_WIDTH = 8


def write_bundle(
    directory: Path,
    *,
    version: str = "test-1",
    seed: int = 0,
    tasks: tuple[Task, ...] = DEFAULT_TASKS,
    thresholds: dict[str, Threshold] | None = None,
    sets: dict[str, tuple[SetRule, ...]] | None = None,
    scope: Scope | None = None,
    text_template: int = TEXT_TEMPLATE_VERSION,
    tolerance: float = 1e-5,
) -> Path:
    """Writes a sealed bundle into `directory` (made if missing) and returns it.

    With `scope` the graph also gives `scope_score`; the other answers stay the same.
    """
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(tokenizer_definition(), TOKEN_LIMIT)
    (directory / TOKENIZER).write_text(tokenizer.to_json(), encoding="utf-8")
    content = graph(
        tasks, seed, tokenizer.vocabulary_size, text_template, has_scope=scope is not None
    )
    (directory / GRAPH).write_bytes(content)
    (directory / CARD).write_text("# A tiny bundle for tests\n", encoding="utf-8")
    golden = golden_answers(directory / GRAPH, tokenizer, tasks)
    (directory / GOLDEN).write_bytes(to_bytes(golden))
    manifest = Manifest(
        version=version,
        tasks=tasks,
        text_template=text_template,
        token_limit=TOKEN_LIMIT,
        pad_id=tokenizer.pad_id,
        encoder="tiny",
        data_fingerprint="none",
        code_fingerprint="none",
        metrics={},
        variants=(_variant(tasks, thresholds or {}, sets or {}, scope, tolerance),),
    )
    (directory / MANIFEST).write_bytes(to_bytes(manifest))
    seal(directory)
    return directory


def reseal(directory: Path) -> Path:
    """Writes the digests anew, after a test has changed a file on purpose."""
    (directory / SUMS).unlink()
    seal(directory)
    return directory


def tokenizer_definition(words: list[str] | None = None) -> str:
    """A WordPiece tokenizer over a few words and, for everything else, single letters."""
    letters = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{letter}" for letter in letters)]
    tokens += WORDS if words is None else words
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    fast = FastTokenizer(models.WordPiece(vocab=vocabulary, unk_token="[UNK]"))
    fast.normalizer = normalizers.BertNormalizer(lowercase=True)
    fast.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    fast.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return fast.to_str()


def graph(
    tasks: tuple[Task, ...],
    seed: int,
    vocabulary: int,
    text_template: int = TEXT_TEMPLATE_VERSION,
    *,
    has_scope: bool = False,
) -> bytes:
    """The serialised ONNX graph, with inputs, outputs and metadata as every bundle's graph has.

    Its scope score is the squared distance of a ticket's mean vector from a fixed point.
    """
    random = np.random.default_rng(seed)
    weights = {"embedding": random.normal(size=(vocabulary, _WIDTH)) * 2.0}
    for task in tasks:
        weights[f"{task.name}_weight"] = random.normal(size=(_WIDTH, task.classes))
        weights[f"{task.name}_scale"] = np.full(task.classes, 0.8)
        weights[f"{task.name}_bias"] = np.zeros(task.classes)
    initialisers = [
        numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()
    ]
    initialisers.append(numpy_helper.from_array(np.array([1], dtype=np.int64), "axis"))
    initialisers.append(numpy_helper.from_array(np.array([2], dtype=np.int64), "last"))
    nodes = _mean_nodes() + [node for task in tasks for node in _head_nodes(task.name)]
    outputs = [
        _value(f"{task.name}_{kind}", TensorProto.FLOAT, task.classes)
        for task in tasks
        for kind in ("probabilities", "logits")
    ]
    if has_scope:
        middle_H = np.full(_WIDTH, 0.5, dtype=np.float32)
        initialisers.append(numpy_helper.from_array(middle_H, "scope_mean"))
        nodes += _scope_nodes()
        outputs.append(helper.make_tensor_value_info(SCOPE, TensorProto.FLOAT, ["batch"]))
    inputs = [_value(name, TensorProto.INT64, "sequence") for name in (IDS, MASK)]
    body = helper.make_graph(nodes, "tiny", inputs, outputs, initialisers)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, _metadata(tasks, text_template))
    onnx.checker.check_model(model)
    return model.SerializeToString()


def golden_answers(path: Path, tokenizer: Tokenizer, tasks: tuple[Task, ...]) -> Golden:
    """What the graph at `path` answers to the golden texts, each alone."""
    session = Session.open(path, tasks, "cpu", threads=1)
    tickets = []
    for subject, text in GOLDEN_TEXTS:
        outputs = session.run(*pad([tokenizer.encode(render(subject, text))], tokenizer.pad_id))
        answer = outputs.probabilities
        rows = {name: tuple(float(value) for value in rows[0]) for name, rows in answer.items()}
        tickets.append(GoldenTicket(subject=subject, body=text, probabilities=rows))
    return Golden(tickets=tuple(tickets))


def _variant(
    tasks: tuple[Task, ...],
    thresholds: dict[str, Threshold],
    sets: dict[str, tuple[SetRule, ...]],
    scope: Scope | None,
    tolerance: float,
) -> Variant:
    return Variant(
        file=GRAPH,
        precision="fp32",
        layout="padded",
        providers=("cpu", "cuda"),
        calibration={
            task.name: Calibration(
                method="temperature", scale=(0.8,) * task.classes, bias=(0.0,) * task.classes
            )
            for task in tasks
        },
        quality={task.name: {"accuracy": 0.5} for task in tasks},
        thresholds=thresholds,
        sets=sets,
        scope=scope,
        golden=GOLDEN,
        tolerance=tolerance,
    )


def _mean_nodes() -> list[onnx.NodeProto]:
    make = helper.make_node
    return [
        make("Gather", ["embedding", "input_ids"], ["embedded"]),
        make("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        make("Unsqueeze", ["mask", "last"], ["mask_column"]),
        make("Mul", ["embedded", "mask_column"], ["masked"]),
        make("ReduceSum", ["masked", "axis"], ["total"], keepdims=0),
        make("ReduceSum", ["mask", "axis"], ["count"], keepdims=1),
        make("Div", ["total", "count"], ["features"]),
    ]


def _head_nodes(name: str) -> list[onnx.NodeProto]:
    make = helper.make_node
    return [
        make("MatMul", ["features", f"{name}_weight"], [f"{name}_logits"]),
        make("Mul", [f"{name}_logits", f"{name}_scale"], [f"{name}_scaled"]),
        make("Add", [f"{name}_scaled", f"{name}_bias"], [f"{name}_calibrated"]),
        make("Softmax", [f"{name}_calibrated"], [f"{name}_probabilities"], axis=-1),
    ]


def _scope_nodes() -> list[onnx.NodeProto]:
    make = helper.make_node
    return [
        make("Sub", ["features", "scope_mean"], ["apart"]),
        make("Mul", ["apart", "apart"], ["apart_squared"]),
        make("ReduceSum", ["apart_squared", "axis"], [SCOPE], keepdims=0),
    ]


def _value(name: str, kind: int, last: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, ["batch", last])


def _metadata(tasks: tuple[Task, ...], text_template: int) -> dict[str, str]:
    names = [{"name": task.name, "labels": list(task.labels)} for task in tasks]
    return {
        "harbor.schema": "1",
        "harbor.tasks": json.dumps(names),
        "harbor.text_template": str(text_template),
        "harbor.token_limit": str(TOKEN_LIMIT),
    }
