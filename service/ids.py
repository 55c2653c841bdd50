"""Nothing comes in; an id that is unique and sorts by time goes out: a ULID (github.com/ulid/spec).

48 bits of milliseconds since the epoch and 80 random bits, as 26 digits of Crockford's base 32.
"""

import os
import time

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BY_BYTE = (_DIGITS * 8).encode()
_TRIPLES = [a + b + c for a in _DIGITS for b in _DIGITS for c in _DIGITS]
_RANDOM, _AT_ONCE = 16, 1024
_drawn: list[str] = []

# A fork must not give out what its parent gives out.
os.register_at_fork(after_in_child=_drawn.clear)


def new_id() -> str:
    """An id that sorts by time, to the millisecond. Any thread may call it."""
    ms = time.time_ns() // 1_000_000
    early = _DIGITS[ms >> 45] + _TRIPLES[ms >> 30 & 32767]
    return early + _TRIPLES[ms >> 15 & 32767] + _TRIPLES[ms & 32767] + _random_digits()


def _random_digits() -> str:
    # Drawn many at a time: the call lets other threads in, and an id would wait for them.
    while True:
        try:
            return _drawn.pop()
        except IndexError:
            digits = os.urandom(_RANDOM * _AT_ONCE).translate(_BY_BYTE).decode()
            _drawn.extend(digits[at : at + _RANDOM] for at in range(0, len(digits), _RANDOM))
