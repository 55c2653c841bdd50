"""Probabilities of the most urgent label come in; pages a week against missed tickets go out.

Shapes: N tickets, U urgent ones of them, K thresholds.
"""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from service.statistics.intervals import Interval, clopper_pearson
from service.statistics.ordinal import Alarm, alarm
from training.report.coverage import thinned
from training.report.formats import count, percent
from training.report.outcome import BoolArray, FloatArray, Outcome
from training.report.plot import ACCENT, SECOND, counts, draw, shares

RATIOS = (1, 2, 5, 10, 20, 50, 100)
"""How many false pages one missed ticket is worth."""


@dataclass(frozen=True)
class Pages:
    """Paging from a probability on. ratio: how many false pages a miss must be worth for it.

    pages, false, missed_a_week: tickets a week. right: share of the pages that are urgent, None
    without a page. missed: share of the urgent tickets without a page. Intervals: 95 %
    Clopper-Pearson.
    """

    ratio: int
    threshold: float
    pages: float
    false: float
    right: float | None
    right_interval: Interval | None
    missed: float
    missed_interval: Interval
    missed_a_week: float


@dataclass(frozen=True)
class Paging:
    """label: the most urgent one, on `urgent` of the test tickets. given: by the label alone.

    rows and plot: None without an urgent ticket.
    """

    label: str
    urgent: int
    given: Alarm
    rows: tuple[Pages, ...] = ()
    plot: Markup | None = None


def paging(outcome: Outcome, tickets_a_week: float) -> Paging | None:
    """None for a task whose labels have no order; the first label is the most urgent."""
    if outcome.task.kind != "ordinal":
        return None
    label, urgent_N = outcome.task.labels[0], outcome.labels_N == 0
    given = alarm(outcome.labels_N, outcome.told().chosen_N)
    if not urgent_N.any():
        return Paging(label, 0, given)
    chance_N = outcome.after_NC[:, 0]
    rows = tuple(pages(chance_N, urgent_N, ratio, tickets_a_week) for ratio in RATIOS)
    summary = f"Share of {label} tickets missed against pages a week: " + "; ".join(
        f"{percent(one.missed, 0)} missed at {count(one.pages)} pages" for one in rows
    )
    plot = draw(summary, lambda figure: _paint(figure, chance_N, urgent_N, rows, tickets_a_week))
    return Paging(label, int(urgent_N.sum()), given, rows, plot)


def pages(chance_N: FloatArray, urgent_N: BoolArray, ratio: int, tickets_a_week: float) -> Pages:
    """One row: where a miss costs `ratio` false pages, paging pays from 1 / (1 + ratio) on (Elkan
    2001, IJCAI).
    """
    threshold = 1.0 / (1.0 + ratio)
    paged_N = chance_N >= threshold
    paged, urgent = int(paged_N.sum()), int(urgent_N.sum())
    hits = int((paged_N & urgent_N).sum())
    each = tickets_a_week / len(urgent_N)
    return Pages(
        ratio=ratio,
        threshold=threshold,
        pages=paged * each,
        false=(paged - hits) * each,
        right=hits / paged if paged else None,
        right_interval=clopper_pearson(hits, paged) if paged else None,
        missed=(urgent - hits) / urgent,
        missed_interval=clopper_pearson(urgent - hits, urgent),
        missed_a_week=(urgent - hits) * each,
    )


def _paint(
    figure: Figure,
    chance_N: FloatArray,
    urgent_N: BoolArray,
    rows: tuple[Pages, ...],
    tickets_a_week: float,
) -> None:
    order_N = np.argsort(-chance_N, kind="stable")
    missed_K = 1.0 - np.concatenate([[0.0], np.cumsum(urgent_N[order_N])]) / urgent_N.sum()
    pages_K = np.arange(len(missed_K)) * (tickets_a_week / len(urgent_N))
    # No threshold tells tickets of one probability apart.
    last = np.append(np.diff(chance_N[order_N]) != 0.0, True)
    distinct_K = np.concatenate([[True], last])
    missed_K, pages_K = missed_K[distinct_K], pages_K[distinct_K]
    end = int(np.argmax(missed_K <= 0.0))
    kept_K = thinned(end + 1, 250)
    axes = figure.subplots()
    axes.step(pages_K[kept_K], missed_K[kept_K], where="post", color=ACCENT)
    shown = [one for one in rows if one.pages <= pages_K[end]]
    axes.plot(
        [one.pages for one in shown],
        [one.missed for one in shown],
        "o",
        color=SECOND,
        markersize=4,
        clip_on=False,
    )
    axes.set(xlim=(0, pages_K[end] * 1.03), ylim=(0, 1.02))
    axes.set(xlabel="pages a week", ylabel="missed")
    shares(axes, y=True)
    counts(axes)
