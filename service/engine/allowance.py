"""Time passes and is spent; whether there is enough of it left goes out (a token bucket)."""


class Allowance:
    """Seconds of work, earned at a steady rate and kept up to a limit."""

    def __init__(self, rate: float, most_s: float) -> None:
        """rate: seconds earned a second. most_s: kept at most; it begins full."""
        self._rate, self._most_s = rate, most_s
        self._left_s, self._at = most_s, float("-inf")

    def covers(self, seconds: float, now: float) -> bool:
        """Whether so many seconds can be spent now."""
        self._left_s = min(self._most_s, self._left_s + self._rate * (now - self._at))
        self._at = now
        return seconds <= self._left_s

    def spend(self, seconds: float) -> None:
        """Takes so many seconds, which are covered."""
        self._left_s -= seconds
