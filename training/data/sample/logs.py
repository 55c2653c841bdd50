"""A random generator and a time come in; the log lines that people paste under a ticket go out."""

from datetime import datetime, timedelta
from random import Random

_LINES = (
    "WARN  [worker-{n}] retry for job {trace}",
    "INFO  request {trace} GET {endpoint} 200 {n}1ms",
    "ERROR request {trace} POST {endpoint} {code}",
    "INFO  session refreshed for user {some}{many}",
    "    at handleResponse (bundle.{n}f3.js:1:{many}2)",
    "    at async Promise.all (index {n})",
    "DEBUG cache miss projects:{many}",
    "ERROR upstream closed connection after {seconds}000ms",
    "INFO  sync page {n}/{some}, {many} items",
    "WARN  clock skew {n}s",
)


def pasted(rng: Random, when: datetime, lines: int, fill: dict[str, str]) -> str:
    """A block of log lines with rising time stamps. fill: values of slots that stay the same."""
    clock, block = when - timedelta(minutes=rng.randint(3, 200)), []
    for _ in range(lines):
        clock += timedelta(milliseconds=rng.randint(3, 9000))
        values = {
            **fill,
            "trace": f"{rng.getrandbits(32):08x}",
            "n": str(rng.randint(1, 9)),
            "some": str(rng.randint(10, 48)),
            "many": str(rng.randint(50, 900)),
        }
        block.append(f"{clock:%Y-%m-%d %H:%M:%S} {rng.choice(_LINES).format(**values)}")
    return "\n".join(block)
