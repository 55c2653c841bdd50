"""Log lines: JSON, one a line, and nobody's text."""

import asyncio
import io
import json
import logging
from pathlib import Path

from service.logs import Forward, failure, open_log


def _lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_time_level_and_event() -> None:
    stream = io.StringIO()
    open_log(stream).info("listening", port=8080)
    (line,) = _lines(stream)
    assert line["event"] == "listening"
    assert line["level"] == "info"
    assert line["port"] == 8080
    assert str(line["time"]).endswith("Z")


def test_levels_below_the_chosen_one_are_left_out() -> None:
    stream = io.StringIO()
    log = open_log(stream, "warning")
    log.info("unseen")
    log.warning("seen")
    assert [line["event"] for line in _lines(stream)] == ["seen"]


def test_an_exception_is_logged_without_its_message() -> None:
    try:
        "my secret \ud83d".encode()
    except UnicodeEncodeError as error:
        found = failure(error)
    assert found["error"] == "UnicodeEncodeError"
    assert "test_logs.py" in found["at"][-1]
    assert "secret" not in json.dumps(found)


def test_what_libraries_log_comes_out_as_the_same_json_without_later_lines() -> None:
    stream = io.StringIO()
    record = logging.LogRecord("asyncio", logging.ERROR, "", 0, "never retrieved\nsecret", (), None)
    Forward(open_log(stream)).emit(record)
    (line,) = _lines(stream)
    assert (line["event"], line["logger"], line["level"]) == ("never retrieved", "asyncio", "error")
    assert "secret" not in stream.getvalue()


class _Full(io.StringIO):
    """A disk without room."""

    tried = 0

    def write(self, _: str) -> int:
        self.tried += 1
        raise OSError("no space left on device")


def test_a_stream_that_cannot_be_written_fails_nobody() -> None:
    full = _Full()
    open_log(full).info("unseen")
    assert full.tried


async def test_lines_of_requests_wait_for_one_another_and_go_out_before_any_other() -> None:
    stream = _Counting()
    log = open_log(stream, gather_s=0.01)
    for number in range(3):
        log.info("request", number=number)
    assert stream.getvalue() == ""
    await asyncio.sleep(0.05)
    assert ([line["number"] for line in _lines(stream)], stream.written) == ([0, 1, 2], 1)
    log.info("request", number=3)
    await asyncio.to_thread(log.warning, "trouble", number=4)
    assert [line["number"] for line in _lines(stream)] == [0, 1, 2, 3, 4]
    await asyncio.sleep(0.05)
    assert stream.written == 2


def test_without_an_event_loop_no_line_waits() -> None:
    stream = io.StringIO()
    open_log(stream, gather_s=60.0).info("request", number=1)
    assert len(_lines(stream)) == 1


def test_a_line_is_written_whatever_it_holds() -> None:
    stream = io.StringIO()
    open_log(stream).info("odd", half="\ud83d", endless=float("inf"), thing=object, path=Path("x"))
    (line,) = _lines(stream)
    assert (line["half"], line["path"]) == ("\ud83d", "PosixPath('x')")


class _Counting(io.StringIO):
    """Counts what is written."""

    written = 0

    def write(self, text: str) -> int:
        self.written += bool(text)
        return super().write(text)


def test_a_stream_that_knows_ascii_alone_gets_every_line() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    open_log(stream).info("odd", path="/caf\u00e9")
    assert json.loads(raw.getvalue())["path"] == "/caf\u00e9"
