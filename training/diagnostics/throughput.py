"""Steps and their tokens come in; tokens a second and the share of padding go out."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Throughput:
    """tokens_per_second: real tokens. padding_share: of all positions that were computed."""

    tokens_per_second: float
    padding_share: float


class Meter:
    """Adds up steps; what lies between two steps (evaluation, saving) is in no figure.

    clock: seconds from any start; a test passes its own. On a GPU a step ends when its last result
    was read, which reading the gradient's norm does.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._began = 0.0
        self._forget()

    def begin(self) -> None:
        """A step begins; one that began before and never ended is forgotten."""
        self._began = self._clock()

    def end(self, tokens: int, padded_tokens: int) -> float:
        """A step ended; returns its seconds.

        tokens: real ones. padded_tokens: positions that were computed, padding included. Raises
        ValueError where there are more tokens than positions.
        """
        if not 0 <= tokens <= padded_tokens:
            raise ValueError(f"tokens must lie within 0 and {padded_tokens}, found {tokens}")
        seconds = self._clock() - self._began
        self._tokens += tokens
        self._padded_tokens += padded_tokens
        self._seconds += seconds
        return seconds

    def take(self) -> Throughput | None:
        """The figures of all steps since the last call, which are then forgotten; None without."""
        if self._seconds <= 0.0 or self._padded_tokens == 0:
            return None
        found = Throughput(
            tokens_per_second=self._tokens / self._seconds,
            padding_share=1.0 - self._tokens / self._padded_tokens,
        )
        self._forget()
        return found

    def _forget(self) -> None:
        self._tokens, self._padded_tokens, self._seconds = 0, 0, 0.0
