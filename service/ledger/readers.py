"""Functions come in; threads that no shutdown waits for run them, and their results go out."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class Readers:
    """A few daemon threads; `submit` and `close` are called in one thread.

    Those of a ThreadPoolExecutor are joined when the process ends: a database that hangs while it
    is read would keep the service from stopping.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._most, self._name = threads, name
        self._jobs: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._started = 0
        self._closed = False

    def submit(self, function: Callable[[], T]) -> "Future[T]":
        """What `function` returns or raises. Raises RuntimeError once the readers are closed."""
        if self._closed:
            raise RuntimeError("the readers are closed")
        future: Future[T] = Future()
        self._jobs.put((future, function))
        if self._started < self._most:
            self._started += 1
            threading.Thread(target=self._work, name=self._name, daemon=True).start()
        return future

    def close(self) -> None:
        """Cancels what has not begun; what runs may end, or not."""
        self._closed = True
        with suppress(Empty):
            while (job := self._jobs.get_nowait()) is not None:
                job[0].cancel()
        for _ in range(self._started):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, function = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(function())
            except BaseException as error:
                future.set_exception(error)
