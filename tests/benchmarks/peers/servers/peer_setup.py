"""The path of a setup file comes in by the environment; what a peer has to serve goes out."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

VARIABLE = "BENCH_PEER_SETUP"
"""Names the file. A variable, since not every peer hands arguments on to its worker processes."""


@dataclass(frozen=True)
class PeerSetup:
    """What is served, and how.

    rule: the Python file whose `render(subject, body)` gives the text that the model reads.
    token_limit: tokens at most; longer texts are cut to `characters` before they are tokenised.
    tasks: labels by task, in the order of the graph's outputs.
    workers: sessions side by side. threads: of each. max_batch, wait_s: of the server's own
    batching, where it is on: tickets at most, and how long the first may wait for company.
    """

    graph: str
    tokenizer: str
    rule: str
    token_limit: int
    characters: int
    pad_id: int
    tasks: dict[str, list[str]]
    port: int
    batching: bool
    workers: int = 2
    threads: int = 1
    max_batch: int = 8
    wait_s: float = 0.005

    def write(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


def read_setup() -> PeerSetup:
    """The setup that the environment names. Raises KeyError where it names none."""
    return PeerSetup(**json.loads(Path(os.environ[VARIABLE]).read_text(encoding="utf-8")))
