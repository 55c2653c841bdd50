"""A graph and its inputs come in; where each operator ran, by the runtime's profile, goes out."""

import json
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime
from numpy.typing import NDArray

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
HEAVY = {
    *("MatMul", "Gemm", "FusedMatMul", "LayerNormalization", "SkipLayerNormalization"),
    *("Attention", "MultiHeadAttention", "PackedAttention", "PackedMultiHeadAttention"),
}
"""Operators that carry the cost of an encoder; shape arithmetic may stay on the CPU."""


class MisplacedError(AssertionError):
    """A session, or operators that carry the cost, are on another provider than asked for."""


def placement(
    graph: Path, provider: str, feeds: Mapping[str, NDArray[Any]]
) -> Counter[tuple[str, str]]:
    """How many nodes of each (operator, provider) ran for one batch.

    feeds: of every input. Raises MisplacedError where the session does not list the provider.
    """
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(
            str(graph), options, providers=[PROVIDERS[provider]], enable_fallback=0
        )
        if PROVIDERS[provider] not in session.get_providers():
            raise MisplacedError(f"the session lists {session.get_providers()}, not {provider}")
        session.run(None, dict(feeds))
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return count(events)


def count(events: list[dict[str, Any]]) -> Counter[tuple[str, str]]:
    """The (operator, provider) pairs of a profile's kernel events."""
    kernels = (event["args"] for event in events if event.get("cat") == "Node")
    return Counter(
        (args["op_name"], args["provider"])
        for args in kernels
        if args.get("op_name") and args.get("provider")
    )


def check(placed: Counter[tuple[str, str]], provider: str) -> int:
    """How many costly nodes ran, all of them on `provider`. Raises MisplacedError otherwise."""
    heavy = {pair: nodes for pair, nodes in placed.items() if pair[0] in HEAVY}
    elsewhere = sorted({op for op, ran_on in heavy if ran_on != PROVIDERS[provider]})
    if elsewhere or not heavy:
        raise MisplacedError(
            f"not on {provider}: {', '.join(elsewhere) or 'no costly operator ran'}"
        )
    return sum(heavy.values())
