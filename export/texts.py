"""A wanted length in tokens comes in; a generated ticket of that length goes out."""

from itertools import cycle

from service.contract.ticket import Ticket, render
from service.contract.tokens import Tokenizer
from training.data.sample import generate

SOURCE_TICKETS = 200
SEED = 20251122
SUBJECT_WORDS = 6


class Desk:
    """The generated desk's words in their order, for ever; each desk starts at the same word."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._limit = tokenizer.limit
        self._special = len(tokenizer.encode(""))
        tickets = generate(SOURCE_TICKETS, SEED)
        words = [word for row in tickets for word in render(row.subject, row.body).split()]
        distinct = sorted(set(words))
        lengths = map(len, tokenizer.encode_batch(distinct))
        self._cost = dict(zip(distinct, lengths, strict=True))
        self._words = cycle(words)

    def ticket(self, length: int) -> Ticket:
        """The next words, as many as fit into `length` tokens, special tokens included.

        At the tokenizer's limit the text runs over instead, so that truncation makes it exact.
        """
        room = length - self._special
        taken: list[str] = []
        while room > 0:
            word = next(self._words)
            room -= self._cost[word] - self._special
            if room >= 0 or length >= self._limit:
                taken.append(word)
        subject, body = taken[:SUBJECT_WORDS], taken[SUBJECT_WORDS:]
        return Ticket(subject=" ".join(subject), body=" ".join(body))
