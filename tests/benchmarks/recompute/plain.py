"""Counts come in; the report's statistics go out, written a second time in plain Python.

Exact integers and closed forms in place of numpy and scipy, and nothing of `service`.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from statistics import NormalDist

Four = tuple[int, int, int, int]
"""Both right, the challenger alone, the incumbent alone, neither."""
Shift = tuple[float, float, dict[str, tuple[float, float, float]]]
"""p, Cramer's V, and by value the standardised difference and both shares."""
BETS = [
    math.exp(math.log(1 / 64) + at / 23 * (math.log(0.9) - math.log(1 / 64))) for at in range(24)
]
Z = NormalDist().inv_cdf(0.975)


def wilson(count: int, n: int) -> tuple[float, float]:
    if n == 0:
        return 0.0, 1.0
    # The two roots of (p - share)^2 = z^2 p (1 - p) / n.
    share, a = count / n, 1 + Z * Z / n
    b = -(2 * share + Z * Z / n)
    root = math.sqrt(max(0.0, b * b - 4 * a * share * share))
    return max(0.0, (-b - root) / (2 * a)), min(1.0, (-b + root) / (2 * a))


def tango(wins: int, losses: int, n: int) -> tuple[float, float]:
    def score(gap: float) -> float:
        linear = (2 * n - wins + losses) * gap - wins - losses
        root = math.sqrt(max(0.0, linear * linear + 8 * n * losses * gap * (1 - gap)))
        variance = max(0.0, n * ((root - linear) / (2 * n) + gap * (1 - gap)))
        excess = wins - losses - n * gap
        if excess == 0:
            return 0.0
        return math.copysign(math.inf, excess) if variance == 0 else excess / math.sqrt(variance)

    if n == 0:
        return -1.0, 1.0
    return falls(lambda gap: score(gap) - Z), falls(lambda gap: score(gap) + Z)


def falls(function: Callable[[float], float]) -> float:
    """Where a falling function passes 0 within [-1, 1]."""
    low, high = -1.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) >= 0 else (low, middle)
    return low


@lru_cache(maxsize=4096)
def binomial_below(successes: int, n: int) -> float:
    """Chance of at most so many heads of a fair coin."""
    term = total = 1
    for k in range(successes):
        term = term * (n - k) // (k + 1)
        total += term
    return float(Fraction(total, 2**n))


def fisher(differing: int, n: int, all_differing: int, total: int) -> float:
    """Two-sided: everything that is no likelier than what was seen (within 1e-14, as scipy)."""
    first, last = max(0, all_differing - (total - n)), min(n, all_differing)
    ways = math.comb(n, first) * math.comb(total - n, all_differing - first)
    table = []
    for k in range(first, last + 1):
        table.append(ways)
        ways = ways * (n - k) * (all_differing - k)
        ways //= (k + 1) * (total - n - all_differing + k + 1)
    bound = table[differing - first] * (10**14 + 1)
    return float(Fraction(sum(one for one in table if one * 10**14 <= bound), sum(table)))


def chi_square_above(statistic: float, freedom: int) -> float:
    """Closed form for whole degrees of freedom."""
    half = statistic / 2
    if freedom % 2 == 0:
        term = total = 1.0
        for k in range(1, freedom // 2):
            term *= half / k
            total += term
        return math.exp(-half) * total
    total = math.erfc(math.sqrt(half))
    term = math.sqrt(half) / math.gamma(1.5) * math.exp(-half)
    for k in range((freedom - 1) // 2):
        total += term
        term *= half / (k + 1.5)
    return total


def holm(p: Sequence[float]) -> list[float]:
    adjusted, highest = [0.0] * len(p), 0.0
    for rank, at in enumerate(sorted(range(len(p)), key=lambda at: p[at])):
        highest = max(highest, min(1.0, p[at] * (len(p) - rank)))
        adjusted[at] = highest
    return adjusted


def kappa(pairs: Counter[tuple[str, str]]) -> float | None:
    total = pairs.total()
    rows, columns = Counter[str](), Counter[str]()
    for (row, column), count in pairs.items():
        rows[row] += count
        columns[column] += count
    expected = Fraction(sum(rows[one] * columns[one] for one in rows), total * total or 1)
    if total == 0 or expected == 1:
        return None
    seen = Fraction(sum(count for (row, column), count in pairs.items() if row == column), total)
    return float((seen - expected) / (1 - expected))


def log_wealth(wins: float, losses: float, ties: float, margin: float, side: str) -> float:
    sign = 1.0 if side == "better" else -1.0
    largest = 1.0 - sign * margin
    steps = [sign * (step + margin) / largest for step in (1.0, -1.0, 0.0)]
    logs = [
        wins * math.log1p(bet * steps[0])
        + losses * math.log1p(bet * steps[1])
        + ties * math.log1p(bet * steps[2])
        for bet in BETS
    ]
    top = max(logs)
    return top + math.log(math.fsum(math.exp(one - top) for one in logs) / len(BETS))


def excess(tables: Sequence[Four]) -> list[float]:
    """By how much the losses of a dimension's segments exceed those due: Freeman and Tukey."""
    n = sum(map(sum, tables))
    wins, losses = (sum(table[at] for table in tables) for at in (1, 2))
    usual = [sum(table) * wins / n for table in tables]
    extra = math.fsum((t[1] - u) ** 2 - u for t, u in zip(tables, usual, strict=True))
    spread = max(0.0, extra) / (math.fsum(u * u for u in usual) or 1)
    found = []
    for table, u in zip(tables, usual, strict=True):
        trust = u * spread / (1 + u * spread)
        expected = sum(table) * losses / n
        due = expected * (1 + trust * (table[1] / u - 1)) if u else expected
        apart = math.sqrt(table[2]) + math.sqrt(table[2] + 1) - math.sqrt(4 * due + 1)
        found.append(apart / math.sqrt(1 + (trust * trust * expected / u if u else 0)))
    return found


def looks(n: int, most: int = 200) -> list[int]:
    count = min(n, most)
    return [at * n // count for at in range(1, count + 1)]


def sequence(counts: Sequence[tuple[int, int, int]], alpha: float) -> list[tuple[float, float]]:
    """The confidence sequence after each (wins, losses, ties)."""
    enough, low, high, found = math.log(2 / alpha), -1.0, 1.0, []
    for one in counts:
        low = max(low, falls(lambda gap, c=one: log_wealth(*c, -gap, "better") - enough))
        high = min(high, -falls(lambda gap, c=one: log_wealth(*c, gap, "worse") - enough))
        found.append((low, high))
    return found


def shift(first: Sequence[str | None], second: Sequence[str | None]) -> Shift:
    """Whether two groups are spread alike over the values of a dimension."""
    named = [
        Counter("(unknown)" if one is None else one for one in group) for group in (first, second)
    ]
    both, smaller = named[0] + named[1], min(len(first), len(second))
    total = both.total()
    enough = 5 * total / smaller if smaller else math.inf
    order = sorted(both, key=lambda value: (-both[value], value))
    kept = [value for value in order if both[value] >= enough]
    if kept and 0 < sum(both[one] for one in order[len(kept) :]) < enough:
        kept.pop()
    table = {value: [group[value] for group in named] for value in kept}
    if len(kept) < len(order):
        table["(rest)"] = [sum(g.values()) - sum(g[one] for one in kept) for g in named]
    if len(table) < 2:
        return 1.0, 0.0, {}
    statistic, apart = 0.0, {}
    for value, cells in table.items():
        expected = [len(group) * sum(cells) / total for group in (first, second)]
        statistic += sum((c - e) ** 2 / e for c, e in zip(cells, expected, strict=True))
        shares = [cells[0] / len(first), cells[1] / len(second)]
        spread = math.sqrt(sum(one * (1 - one) for one in shares) / 2)
        apart[value] = (abs(shares[0] - shares[1]) / spread if spread else 0.0, *shares)
    p = chi_square_above(statistic, len(table) - 1)
    return p, math.sqrt(statistic / total), apart


def labels_needed(four: Four, margin: float, alpha: float, side: str) -> int | None:
    n = sum(four)
    if n == 0:
        return None
    win, loss = four[1] / n, four[2] / n
    tie = max(0.0, 1 - win - loss)

    def crossed(at: int) -> bool:
        return log_wealth(at * win, at * loss, at * tie, margin, side) >= -math.log(alpha)

    low, high = n, n
    while not crossed(high):
        low, high = high, 2 * high
        if low > 10_000_000:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if crossed(middle) else (middle, high)
    return high - n
