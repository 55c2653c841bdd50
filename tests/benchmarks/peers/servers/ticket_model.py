"""Texts come in; labels and confidences go out: the same code under every peer.

Shapes: B batch, L padded length, C classes of a task.
"""

import importlib.util
from collections.abc import Sequence

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from tests.benchmarks.peers.servers.peer_setup import PeerSetup

Reply = dict[str, dict[str, str | float]]
"""By task: its label and its confidence."""

_ERRORS_ONLY = 3


class TicketModel:
    """One session on the graph, with the tokeniser and the text rule of Harbor's bundle."""

    def __init__(self, setup: PeerSetup) -> None:
        """Raises what onnxruntime, tokenizers or the rule's file raise."""
        self._setup = setup
        self._tokenizer = Tokenizer.from_file(setup.tokenizer)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(setup.token_limit)
        self._session = onnxruntime.InferenceSession(
            setup.graph, _options(setup.threads), providers=["CPUExecutionProvider"]
        )
        self._outputs = [f"{task}_probabilities" for task in setup.tasks]
        spec = importlib.util.spec_from_file_location("text_rule", setup.rule)
        if spec is None or spec.loader is None:
            raise ImportError(f"{setup.rule} is no Python file")
        rule = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(rule)
        self._render = rule.render

    def text(self, subject: str, body: str) -> str:
        """What the model reads of a ticket."""
        return str(self._render(subject, body))

    def answer(self, texts: Sequence[str]) -> list[Reply]:
        """One call for all of them, padded to the longest."""
        tickets = [self._tokenizer.encode(text[: self._setup.characters]).ids for text in texts]
        ids_BL, mask_BL = _pad(tickets, self._setup.pad_id)
        feed = {"input_ids": ids_BL, "attention_mask": mask_BL}
        found = self._session.run(self._outputs, feed)
        columns = [
            _judge(probabilities_BC, labels)
            for probabilities_BC, labels in zip(found, self._setup.tasks.values(), strict=True)
        ]
        return [
            dict(zip(self._setup.tasks, row, strict=True)) for row in zip(*columns, strict=True)
        ]


def _pad(tickets: Sequence[list[int]], pad_id: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    shape = len(tickets), max(map(len, tickets))
    ids_BL, mask_BL = np.full(shape, pad_id, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    for row, ids in enumerate(tickets):
        ids_BL[row, : len(ids)] = ids
        mask_BL[row, : len(ids)] = 1
    return ids_BL, mask_BL


def _judge(
    probabilities_BC: NDArray[np.float32], labels: Sequence[str]
) -> list[dict[str, str | float]]:
    return [
        {"label": labels[place], "confidence": float(row_C[place])}
        for row_C, place in zip(probabilities_BC, probabilities_BC.argmax(axis=1), strict=True)
    ]


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    options.enable_mem_pattern = False  # Every batch has another shape.
    # A waiting thread that spins takes the core from the other worker.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
