"""Events come in; one JSON object a line goes out, never a ticket's text."""

import logging
import traceback
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog
from structlog.typing import FilteringBoundLogger

Log = FilteringBoundLogger

_FRAMES = 12


def open_log(stream: TextIO, level: str = "info") -> Log:
    """A logger that writes to `stream` from `level` on; it is passed around, never global."""
    log: Log = structlog.wrap_logger(
        structlog.WriteLogger(cast("TextIO", _Lossy(stream))),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    return log.bind()


class _Lossy:
    """A stream that drops what it cannot write: a full disk, or a reader that has gone, must not
    fail a request.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


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
