"""A service's address comes in; tickets are posted to it, steadily, for one `with` block."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import httpx

PAUSE_S = 0.02
_WORDS = ("invoice charged twice", "login password reset", "printer error", "server down please")


@contextmanager
def posting(url: str) -> Iterator[Counter[int]]:
    """Posts tickets, some of them in batches, one that is wrong now and then, and final labels.

    Yields how many replies there were, by status.
    """
    statuses: Counter[int] = Counter()
    over = threading.Event()
    thread = threading.Thread(target=_post, args=(url, statuses, over))
    thread.start()
    try:
        yield statuses
    finally:
        over.set()
        thread.join()


def _post(url: str, statuses: Counter[int], over: threading.Event) -> None:
    with httpx.Client(base_url=url, timeout=10.0) as client:
        for number in count():
            if over.wait(PAUSE_S):
                return
            for path, document in _requests(number):
                statuses[client.post(path, json=document).status_code] += 1


def _requests(number: int) -> Iterator[tuple[str, object]]:
    yield "/route", _ticket(number)
    if number % 10 == 0:
        yield "/route/batch", {"tickets": [_ticket(number + place) for place in range(3)]}
        yield "/route", {"subject": 1}
        yield "/feedback", {"ticket_id": str(number), "labels": {"category": "billing"}}


def _ticket(number: int) -> dict[str, str]:
    words = _WORDS[number % len(_WORDS)]
    return {"ticket_id": str(number), "subject": words, "body": f"{words} " * (number % 50)}
