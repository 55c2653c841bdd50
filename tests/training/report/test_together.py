"""How the tasks got on: gradients, weights, sampling, experts and alerts of a run's record."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tests.training.report.runs import PULLS, QUEUE, URGENCY, simulated, together, usual_page
from tests.training.report.test_page import read, words
from training.report import balance
from training.report.gradients import gradients, shade, spans
from training.report.lines import MOST, plot_lines, series
from training.report.page import render
from training.report.sampling_realised import sampling


def fresh() -> str:
    run = simulated(QUEUE, URGENCY, tickets=60)
    return render(replace(run, events=together()))


page = cache(fresh)


def test_each_pair_has_a_verdict_and_the_most_conflicting_comes_first() -> None:
    found = gradients(together())
    assert found is not None
    assert [(one.name, one.found.word, one.tone) for one in found.pairs] == [
        ("queue – product", "conflicting", "bad"),
        ("urgency – product", "neutral", "open"),
        ("queue – urgency", "helpful", "good"),
    ]
    assert found.comparisons == 60
    for one, mean in zip(found.pairs, (-0.3, 0.02, 0.25), strict=True):
        assert one.found.low < mean < one.found.high
        assert one.name in found.plot


def test_layers_are_means_over_the_run_and_a_missing_pair_is_empty() -> None:
    found = gradients(together())
    assert found is not None
    assert found.layers is not None
    cosines = [event["cosines"] for event in together() if event["event"] == "gradients"]
    first, second = (cells for _, cells in found.layers.rows)
    assert [one.value for one in first] == pytest.approx(
        [np.mean([some[pair] for some in cosines]) for pair in sorted(PULLS, key=PULLS.__getitem__)]
    )
    assert [one.value for one in second] == [None, None, 0.5]
    assert [one.helps for one in first] == [False, True, True]


def test_spans_hold_every_point_once() -> None:
    chance = np.random.default_rng(1)
    line = sorted((float(at), float(chance.normal())) for at in chance.uniform(0.01, 3.0, 50))
    found = spans(line, line[-1][0], 1)
    assert found == [(0.0, line[-1][0], pytest.approx(np.mean([value for _, value in line])))]
    many = spans(line, line[-1][0], 1000)
    assert [mean for _, _, mean in many] == pytest.approx([value for _, value in line])
    assert [shade(one) for one in (0.0, -0.25, 0.5, -1.0)] == [0.0, 0.5, 1.0, 1.0]


def test_only_the_pairs_that_conflict_most_are_shown_of_many_tasks() -> None:
    chance = np.random.default_rng(2)
    pairs = [f"t{one}|t{other}" for one in range(8) for other in range(one)]
    events = [
        {
            "event": "gradients",
            "step": step,
            "cosines": {pair: float(chance.uniform(-0.1, 0.1)) for pair in pairs},
            "norms": {},
            "weights": {},
        }
        for step in range(10)
    ]
    found = gradients(events)
    assert found is not None
    assert (len(found.pairs), found.left_out) == (12, 16)
    means = [one.found.mean for one in found.pairs]
    assert means == sorted(means)


def test_weights_that_never_move_are_said_and_not_drawn() -> None:
    def ends(*values: float) -> list[dict[str, object]]:
        return [
            {"event": "epoch", "step": step, "weights": {"queue": value, "urgency": 1.0}}
            for step, value in enumerate(values)
        ]

    still, moving = balance.weights(ends(2.0, 2.0)), balance.weights(ends(2.0, 1.5))
    assert still == balance.Weights(
        "They stayed as they were stated: queue 2.00, urgency 1.00.", None
    )
    assert moving is not None
    assert moving.said == "From queue 2.00, urgency 1.00 to queue 1.50, urgency 1.00."
    assert moving.plot is not None
    assert balance.weights([{"event": "epoch", "step": 0, "weights": {}}]) is None


def test_a_task_that_dominates_is_named() -> None:
    found = balance.sizes(together())
    assert found is not None
    assert not found.balanced
    assert found.said.startswith("The weighted gradient of queue is ")
    assert balance.sizes(together()[:3]) is None


def test_what_was_drawn_off_the_stated_share_is_pointed_out() -> None:
    found = sampling(together())
    assert found is not None
    assert [(one.task, one.off) for one in found.tasks] == [
        ("queue", False),
        ("urgency", False),
        ("product", True),
    ]


def test_the_last_load_speed_and_every_alert_are_shown() -> None:
    assert balance.loads(together())[0] == balance.Load("queue", (0.7, 0.2, 0.1), 0.7)
    assert balance.speed(together()) == balance.Speed(1234.5, 0.08)
    assert [(one.epoch, one.kind) for one in balance.raised(together())] == [(2.0, "conflict")]


def test_of_many_lines_those_that_move_furthest_are_drawn() -> None:
    lines = {f"task_{at}": [(0.0, 0.0), (1.0, float(at))] for at in range(MOST + 3)}
    plot = plot_lines(lines, "Many lines that end at heights of their own, in words.", "height")
    assert "task_10<" in plot
    assert "task_2<" not in plot
    assert series([{"event": "epoch", "step": 3}], "epoch", "weights") == {}


def test_the_page_tells_how_the_tasks_got_on_and_stays_harmless() -> None:
    text = words(page())
    for part in (
        "Alerts",
        "Gradients of the tasks",
        "Weights of the losses",
        "Experts",
        "Sampling",
    ):
        assert part in text
    assert "queue – product conflicting −0.30" in text
    assert "1,234 tokens a second, 8.0 % of the positions were padding" in text
    reader = read(page())
    assert all(link.startswith("#") for link in reader.links)
    assert not reader.seen & {"script", "img", "iframe", "link"}
    assert not [label for label in reader.labels if len(label) < 40]
    assert 50_000 < len(page().encode()) < 400_000


def test_the_same_record_gives_the_same_bytes() -> None:
    assert fresh() == page()


def test_a_record_without_these_events_has_none_of_these_sections() -> None:
    text = words(usual_page())
    for part in ("How the tasks got on", "Gradients of the tasks", "Alerts", "Experts"):
        assert part not in text
    assert "Helpful, neutral, conflicting." not in text
