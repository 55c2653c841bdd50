"""A ticket's place in the year comes in; its time, in a weekly rhythm, and its number go out."""

from bisect import bisect
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from training.errors import ConfigError

PLACES = 1 << 20
"""How many tickets the year has room for."""

_START = datetime(2025, 10, 6, tzinfo=UTC)  # A Monday.
_WEEKS = 52
_STEP = 648_391  # Odd and near the golden section of PLACES: places spread evenly for any number.


def _hour_weight(hour_of_week: int) -> int:
    day, hour = divmod(hour_of_week, 24)
    if 8 <= hour < 18:
        return 10 if day < 5 else 1
    return 3 if day < 5 and 6 <= hour < 22 else 1


_SUMS = list(accumulate(_hour_weight(hour) for hour in range(7 * 24)))


def place_of(index: int, seed: int) -> int:
    """A place in the year, another one for each index. Raises ConfigError beyond PLACES."""
    if not 0 <= index < PLACES:
        raise ConfigError(f"the generated desk has at most {PLACES:,} tickets")
    return (index * _STEP + seed * 7919) % PLACES


def number_of(place: int) -> str:
    """The ticket's number: it rises with the time."""
    return str(2_000_000 + place)


def time_of(place: int) -> datetime:
    """The time of a place, to the second; working hours hold most of them."""
    week, rest = divmod(place * _WEEKS, PLACES)
    mass = rest / PLACES * _SUMS[-1]
    hour = bisect(_SUMS, mass)
    before = _SUMS[hour - 1] if hour else 0
    within = (mass - before) / (_SUMS[hour] - before)
    return _START + timedelta(weeks=week, hours=hour, seconds=int(within * 3600))
