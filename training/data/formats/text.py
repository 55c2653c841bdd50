"""A file comes in, gzipped or not; its text goes out, bytes beyond UTF-8 as lone surrogates."""

import gzip
import io
import zlib
from pathlib import Path

from training.errors import DataError

_OTHER_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def read_text(path: Path) -> str:
    """The whole text without a byte order mark. Raises DataError."""
    data = _read_bytes(path)
    if encoding := _OTHER_MARKS.get(data[:2]):
        raise DataError(f"{path.name} must be UTF-8, found the byte order mark of {encoding}")
    return data.decode("utf-8-sig", errors="surrogateescape")


def lines_of(text: str) -> list[str]:
    r"""The lines with their ends; only \n, \r\n and \r end a line, as in CSV and JSONL."""
    return list(io.StringIO(text, newline=""))


def _read_bytes(path: Path) -> bytes:
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rb") as stream:
                return stream.read()
        return path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} cannot be read: {error}") from error
