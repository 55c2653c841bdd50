"""Events come in; one JSON object a line goes out, never a ticket's text."""

import asyncio
import json
import logging
import threading
import time
import traceback
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TextIO

import structlog
from pydantic_core import to_json
from structlog.typing import EventDict, FilteringBoundLogger

Log = FilteringBoundLogger

REQUEST = "request"
"""The event of the one line that every request leaves."""

GATHER_S = 0.02
"""How long a request's line waits for others, so that a busy server writes a few times a second."""

_FRAMES = 12


def open_log(stream: TextIO, level: str = "info", gather_s: float = 0.0) -> Log:
    """A logger that writes to `stream` from `level` on; it is passed around, never global.

    gather_s: how long lines of requests may wait for one another, in seconds. Any other line is
    written at once, behind those that wait.
    """
    log: Log = structlog.wrap_logger(
        _Lines(stream, gather_s),
        processors=[structlog.processors.add_log_level, _stamp, _render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    return log.bind()


class _Lines:
    """Writes lines, and drops what cannot be written: a full disk, or a reader that has gone, must
    not fail a request.
    """

    def __init__(self, stream: TextIO, gather_s: float) -> None:
        self._stream, self._gather_s = stream, gather_s
        self._waiting: deque[str] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._turn = threading.Lock()

    def write(self, line: str, *, waits: bool) -> None:
        """waits: it may go out later, by the event loop that runs here. Any thread may call it."""
        self._waiting.append(line + "\n")
        if not (waits and self._gather_s and self._is_due_later()):
            self._flush()

    debug = info = warning = error = critical = write

    def _is_due_later(self) -> bool:
        if self._timer is None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                return False
            self._timer = loop.call_later(self._gather_s, self._flush_gathered)
        return True

    def _flush_gathered(self) -> None:
        self._timer = None
        self._flush()

    def _flush(self) -> None:
        lines = []
        with self._turn:
            with suppress(IndexError):
                while True:
                    lines.append(self._waiting.popleft())
            if lines:
                with suppress(OSError, ValueError):
                    self._stream.write("".join(lines))
                    self._stream.flush()


def _stamp(_: Any, __: str, event: EventDict) -> EventDict:
    """Adds the time, in UTC."""
    seconds, microseconds = divmod(time.time_ns() // 1000, 1_000_000)
    event["time"] = f"{_second(seconds)}.{microseconds:06}Z"
    return event


@lru_cache(1)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _render(_: Any, __: str, event: EventDict) -> tuple[tuple[str], dict[str, bool]]:
    """The line, and whether it may wait. json's own encoder takes five times as long."""
    try:
        line = to_json(event, inf_nan_mode="null", fallback=repr).decode()
    except ValueError:  # Half an emoji, such as a path may hold.
        line = ""
    if not (line and line.isascii()):  # The stream may know no more than ASCII.
        line = json.dumps(event, default=repr)
    return (line,), {"waits": event["event"] == REQUEST}


def failure(error: BaseException) -> dict[str, Any]:
    """What a log line says about an exception: its class and where it came from.

    Its message stays out: it may quote the input, as that of UnicodeEncodeError does.
    """
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return {
        "error": type(error).__qualname__,
        "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }


class Forward(logging.Handler):
    """Sends what libraries log, uvicorn foremost, through the same JSON.

    Of a message only the first line goes out: asyncio's later lines quote tasks and their
    exceptions.
    """

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one record."""
        message = record.getMessage().partition("\n")[0]
        error = record.exc_info[1] if record.exc_info else None
        details = failure(error) if error is not None else {}
        self._log.log(record.levelno, message, logger=record.name, **details)


def forward_library_logs(log: Log, level: str) -> None:
    """Makes `log` the one place where the process logs; libraries chat from `debug` on."""
    chatter = logging.DEBUG if level == "debug" else logging.WARNING
    logging.basicConfig(handlers=[Forward(log)], level=chatter, force=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).setLevel(chatter)
