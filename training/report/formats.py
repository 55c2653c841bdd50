"""Figures come in; short texts for a person go out."""

from service.contract.promises import Share
from service.statistics.intervals import Interval

NONE = "–"
_PERCENT = "\N{NO-BREAK SPACE}%"


def percent(value: float | None, digits: int = 1) -> str:
    """A share, such as `4.2 %`."""
    return NONE if value is None else f"{value * 100:.{digits}f}{_PERCENT}"


def span(interval: Interval | Share | None, digits: int = 1) -> str:
    """An interval of shares, such as `3.1 to 5.6 %`."""
    if interval is None:
        return NONE
    return f"{interval.low * 100:.{digits}f} to {interval.high * 100:.{digits}f}{_PERCENT}"


def count(value: float | None) -> str:
    """A count, such as `12,345`."""
    return NONE if value is None else f"{round(value):,}"


def number(value: float | None, digits: int = 3) -> str:
    """A figure with so many decimals, such as `0.931`."""
    return NONE if value is None else f"{value:.{digits}f}".replace("-", "−")


def p_value(value: float | None) -> str:
    """A p value, never rounded to 0: `= 0.31` or `< 0.001`."""
    if value is None:
        return NONE
    return "< 0.001" if value < 0.001 else f"= {value:.2g}" if value < 0.01 else f"= {value:.2f}"


def short(identity: str) -> str:
    """Enough of a digest to tell two apart."""
    kind, found, digest = identity.rpartition(":")
    return f"{kind}{found}{digest[:12]}"


def listed(names: list[str]) -> str:
    """Names in a sentence, such as `category, urgency and queue`."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)
