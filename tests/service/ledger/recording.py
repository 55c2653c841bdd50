"""A process that records tickets at a steady rate and says which, until it is killed.

python -m tests.service.ledger.recording URL TICKETS_A_SECOND FLUSH_S: a line a ticket, its number
and the second it was recorded at; `flushed NUMBER` after each flush that was asked for.
"""

import asyncio
import sys
import time

from tests.service.ledger.made import TASKS, Bench, comparison, decision

_FLUSH_EVERY = 500


async def record(url: str, per_second: float, flush_s: float) -> None:
    """Never ends."""
    print_line = sys.stdout.write
    async with Bench(url, ledger_flush_s=flush_s, ledger_max_mb=10**6).ledger() as ledger:
        began = time.time()
        number = 0
        while True:
            while number < (time.time() - began) * per_second:
                now = time.time()
                ledger.record(decision(number, at=now))
                for task in TASKS:
                    ledger.record(comparison(number, at=now, task=task))
                print_line(f"{number} {now}\n")
                number += 1
            sys.stdout.flush()
            if number % _FLUSH_EVERY < per_second / 100:
                await ledger.flush()
                print_line(f"flushed {number - 1}\n")
            await asyncio.sleep(0.005)


if __name__ == "__main__":
    asyncio.run(record(sys.argv[1], float(sys.argv[2]), float(sys.argv[3])))
