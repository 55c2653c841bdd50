"""A ticket's id comes in; whether the shadow sees the ticket goes out."""

import hashlib

_SPAN = 1 << 64


def is_sampled(key: str, share: float) -> bool:
    """Whether a ticket belongs to the sample, by the hash of its id alone.

    share: of all tickets, within [0, 1]. The same ticket is in or out for every legacy and after
    every restart, and a smaller share's sample lies within a larger one's.
    """
    if share >= 1.0:
        return True
    # JSON may hold a lone surrogate, which strict UTF-8 refuses.
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * _SPAN
