"""A seed comes in; tickets of the length that real ones have, in a few phrases, go out."""

import random
from collections.abc import Iterator
from typing import Any

_SUBJECTS = (
    "Charged twice for the same invoice",
    "Cannot log in since this morning",
    "Export to spreadsheet stops half way",
    "Question about our plan",
    "Integration returns an error",
    "Please delete a former colleague's account",
)
_SENTENCES = (
    "Our card was charged twice for the March invoice.",
    "The page stays white after the password has been entered.",
    "We tried two browsers and a private window, with the same result.",
    "Since the last release the export stops at about one thousand rows.",
    "Could you tell us whether the annual plan includes the reporting module?",
    "The webhook answers with an internal error every few minutes.",
    "Several customers are waiting for this, so any hint is welcome.",
    "Nothing was changed on our side in the last week.",
    "Please refund one of the two payments to the same card.",
    "A screenshot and the log of the browser are attached.",
)

# The number of sentences is log-normal: most tickets have three or so, one in twenty more than ten.
_MEDIAN_LOG, _SPREAD_LOG, _MOST = 1.1, 0.8, 40


def tickets(seed: int) -> Iterator[dict[str, Any]]:
    """Tickets without end, the same ones for the same seed."""
    source = random.Random(seed)
    while True:
        count = min(_MOST, max(1, round(source.lognormvariate(_MEDIAN_LOG, _SPREAD_LOG))))
        body = " ".join(source.choices(_SENTENCES, k=count))
        yield {"subject": source.choice(_SUBJECTS), "body": body}
