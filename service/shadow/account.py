"""Each fate of an offered answer comes in; counts that add up exactly go out."""

from collections import Counter

from service.ledger.records import Outcome
from service.shadow.documents import Disagreement, LegacyTaskStatus


class Account:
    """What became of one legacy's answers to one task.

    At every moment offered = compared + the sum of dropped + the sum of failed + pending. All five
    are counted on their own, so that the equation can be wrong.
    """

    def __init__(self) -> None:
        self.offered = 0
        self.pending = 0
        self.compared = 0
        self.disagreed = 0
        self.dropped: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()

    def offer(self) -> None:
        """An answer is to be compared; exactly one `close` follows."""
        self.offered += 1
        self.pending += 1

    def close(self, outcome: Outcome, reason: str | None, differs: bool) -> None:
        """An outcome. reason: None where it was compared. differs: False unless compared."""
        self.pending -= 1
        if outcome == "compared":
            self.compared += 1
            self.disagreed += differs
        else:
            counts = self.dropped if outcome == "dropped" else self.failed
            counts[str(reason)] += 1

    def status(self, disagreement: Disagreement) -> LegacyTaskStatus:
        """The counts as `GET /shadow` shows them."""
        return LegacyTaskStatus(
            offered=self.offered,
            compared=self.compared,
            disagreed=self.disagreed,
            dropped=dict(self.dropped),
            failed=dict(self.failed),
            pending=self.pending,
            disagreement=disagreement,
        )
