"""A clean text comes in; the text as somebody in a hurry typed it goes out."""

import re
from random import Random

_WORD = re.compile(r"[A-Za-z']{4,}")
_NEIGHBOURS = {
    "a": "s", "b": "v", "c": "x", "d": "f", "e": "r", "f": "g", "g": "h", "h": "j", "i": "o",
    "j": "k", "k": "l", "l": "k", "m": "n", "n": "m", "o": "p", "p": "o", "r": "t", "s": "d",
    "t": "y", "u": "i", "v": "b", "w": "e", "y": "u", "z": "x",
}  # fmt: skip


def mistype(rng: Random, text: str, share: float) -> str:
    """The text with typing errors in about `share` of its longer words; numbers stay."""
    if not share:
        return text
    return _WORD.sub(lambda found: _typo(rng, found.group(), share), text)


def _typo(rng: Random, word: str, share: float) -> str:
    if rng.random() >= share:
        return word
    at, kind = rng.randrange(1, len(word) - 1), rng.randrange(4)
    if kind == 0:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == 1:
        return word[:at] + word[at + 1 :]
    if kind == 2:
        return word[:at] + word[at] + word[at:]
    return word[:at] + _NEIGHBOURS.get(word[at], "e") + word[at + 1 :]


def shout(rng: Random, text: str) -> str:
    """The text of somebody who is angry, whatever the matter is worth."""
    if rng.random() < 0.3:
        return text.upper()
    return text.rstrip(".!?") + rng.choice(("!!", "!!!", "???", "?!", " !!!"))
