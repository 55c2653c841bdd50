"""A race's records and slowdowns come in; three pictures, each under 100 kB, go out."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.http.plan import SATURATED
from tests.benchmarks.http.report import Record, title
from tests.benchmarks.http.results import Results, Side

SIZE_INCH, DPI = (7.2, 4.2), 110
COLOURS = ("#1b6ca8", "#d1793f", "#5b8c5a", "#8a5a9e", "#b0413e", "#6b6b6b")
LEVELS = (0.3, 0.7, 0.9)


def draw(results: Results, found: Sequence[Record], directory: Path) -> list[Path]:
    """Writes throughput.png, latency.png and slowdown.png, and returns them."""
    directory.mkdir(parents=True, exist_ok=True)
    pictures: dict[str, Callable[[Any], None]] = {
        "throughput": lambda figure: _throughput(figure, found),
        "latency": lambda figure: _latency(figure, found),
        "slowdown": lambda figure: _slowdown(figure, results),
    }
    return [_save(directory / f"{name}.png", picture) for name, picture in pictures.items()]


def _save(path: Path, picture: Callable[[Any], None]) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE_INCH, dpi=DPI, layout="constrained")
    picture(figure)
    figure.savefig(path, pil_kwargs={"optimize": True})
    return path


def _throughput(figure: Any, found: Sequence[Record]) -> None:
    """Bars from the lowest round to the highest, as shares of raw."""
    rows = [one for one in found if (one.get("kind"), one.get("level")) == ("closed", SATURATED)]
    rows.sort(key=lambda one: one["share_of_raw"][0])
    axes = figure.add_subplot()
    shares = np.array([one["share_of_raw"] for one in rows]) * 100
    names = [one["server"] for one in rows]
    whiskers = np.abs(shares[:, 1:].T - shares[:, 0])
    axes.barh(names, shares[:, 0], xerr=whiskers, capsize=4, color=COLOURS[0], height=0.6)
    for place, (one, end) in enumerate(zip(rows, shares.max(axis=1), strict=True)):
        label = f"{one['share_of_raw'][0]:.0%}, {one['per_s'][0]:.0f}/s"
        axes.text(max(end, 100) + 2, place, label, va="center")
    axes.axvline(100, color="#444444", linestyle="--", linewidth=1)
    axes.set_xlim(0, max(100, shares.max()) * 1.25)
    axes.set_xlabel("share of raw throughput, % (whiskers: lowest and highest round)")
    axes.set_title(f"Routed over HTTP at {SATURATED} clients, client CPU accounted")


def _latency(figure: Any, found: Sequence[Record]) -> None:
    """p50 and p99 against the number of clients, both axes logarithmic."""
    rows = [one for one in found if one.get("kind") == "closed"]
    axes = figure.add_subplot()
    for colour, name in zip(COLOURS, dict.fromkeys(one["server"] for one in rows), strict=False):
        mine = [one for one in rows if one["server"] == name]
        clients = [one["level"] for one in mine]
        for percent, style in (("p50", "--"), ("p99", "-")):
            values = [one["latency_ms"][percent] for one in mine]
            axes.plot(clients, values, style, marker="o", color=colour, label=f"{name}, {percent}")
    axes.set(xscale="log", yscale="log", xlabel="clients in a closed loop", ylabel="latency, ms")
    ticks = sorted({one["level"] for one in rows})
    axes.set_xticks(ticks, [f"{tick:.0f}" for tick in ticks])
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    axes.set_title("Latency against clients")


def _slowdown(figure: Any, results: Results) -> None:
    """The share of requests above a slowdown, a panel a load."""
    panels = figure.subplots(1, len(LEVELS), sharey=True)
    for axes, level in zip(panels, LEVELS, strict=True):
        for colour, side in zip(COLOURS, results.sides(), strict=False):
            _curve(axes, results, side, level, colour)
        axes.set(xscale="log", yscale="log", ylim=(0.002, 1.0), xlim=(0.8, 100))
        axes.set_title(f"{level:.0%} of saturation", fontsize=10)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.axhline(0.01, color="#444444", linestyle=":", linewidth=1)
        axes.grid(alpha=0.3)
    panels[0].set_yticks([0.01, 0.1, 1.0], ["1 %", "10 %", "100 %"])
    panels[0].set_ylabel("requests slower than this")
    panels[1].set_xlabel("latency over the ticket's own raw time (times)")
    curves = panels[0].get_legend_handles_labels()
    figure.legend(*curves, loc="outside lower center", ncols=len(curves[1]), fontsize=8)
    figure.suptitle("Slowdown in an open loop (Poisson); dotted: one request in a hundred")


def _curve(axes: Any, results: Results, side: Side, level: float, colour: str) -> None:
    values = np.sort(results.slowdowns(side, "open", level))
    above = 1.0 - np.arange(len(values)) / max(1, len(values))
    axes.step(values, above, where="post", color=colour, label=title(side))
