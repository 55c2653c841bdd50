"""What the benchmarks of routing over HTTP need of a server: Harbor, a plain one, or a peer's."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from tests.benchmarks.server import Server

Precision = Literal["fp32", "fp16", "int8"]


@dataclass(frozen=True)
class Setup:
    """What is served.

    precision: which graph of the bundle. batching: the server's own, on or off.
    """

    bundle: Path
    precision: Precision = "fp32"
    batching: bool = True


class Contender(Protocol):
    """A server that answers `POST /route` from the bundle's own graph and tokeniser.

    The body is Harbor's, `{"subject": ..., "body": ...}`; the reply is JSON and holds, for each
    task, at least the label and the confidence.
    """

    @property
    def name(self) -> str:
        """In tables and journals."""
        ...

    def serving(self, setup: Setup) -> AbstractContextManager[Server]:
        """Starts it on a free loopback port; it is ready inside the block and gone afterwards.

        `Server.pid` is the root of its process tree. Raises ServerFailedError.
        """
        ...
