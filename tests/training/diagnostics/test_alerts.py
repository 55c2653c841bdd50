import pytest

from training.diagnostics.alerts import Alert, Watch

EVEN = {"a": 1.0, "b": 1.0}


def epoch(watch: Watch, metric: float = 0.5, **macro_f1: float) -> list[Alert]:
    validation = {task: {"n": 2000.0, "macro_f1": value} for task, value in macro_f1.items()}
    return watch.epoch(validation, metric)


def compare(watch: Watch, cosine: float, times: int = 10, **norms: float) -> None:
    for _ in range(times):
        watch.gradients({"a|b": cosine}, norms or EVEN, {})


def test_a_quiet_run_raises_no_alert() -> None:
    watch = Watch()
    for number in range(4):
        compare(watch, 0.05)
        assert epoch(watch, 0.1 * number, a=0.6 + 0.05 * number, b=0.7) == []


def test_a_conflict_is_told_once_with_its_figures() -> None:
    watch = Watch()
    compare(watch, -0.4)
    (alert,) = epoch(watch, a=0.5, b=0.5)
    assert (alert.kind, alert.tasks) == ("conflict", ("a", "b"))
    assert alert.said.startswith("a and b are conflicting: mean cosine -0.40")
    compare(watch, -0.4)
    assert epoch(watch, a=0.5, b=0.5) == []


def test_a_cause_that_went_and_came_back_is_told_again() -> None:
    watch = Watch()
    kinds = []
    for b in (0.01, 1.0, 0.01):
        compare(watch, 0.0, a=1.0, b=b)
        kinds.append([alert.kind for alert in epoch(watch, a=0.5, b=0.5)])
    assert kinds == [["scale"], [], ["scale"]]


def test_a_scale_is_that_of_the_weighted_gradients() -> None:
    watch = Watch()
    for _ in range(5):
        watch.gradients({}, {"a": 50.0, "b": 1.0}, {"a": 0.1})
    assert epoch(watch, a=0.5, b=0.5) == []
    for _ in range(10):
        watch.gradients({}, {"a": 500.0, "b": 1.0}, {"a": 0.1})
    (alert,) = epoch(watch, a=0.5, b=0.5)
    assert alert.tasks == ("a", "b")
    assert "50.0 times that of b" in alert.said


def test_a_task_that_falls_while_the_metric_rises_is_a_negative_transfer() -> None:
    watch = Watch()
    told = [
        epoch(watch, metric, a=a, b=0.9)
        for metric, a in ((0.5, 0.8), (0.6, 0.7), (0.7, 0.69), (0.8, 0.68))
    ]
    assert [[alert.tasks for alert in some] for some in told] == [[], [], [("a",)], []]
    assert told[2][0].kind == "negative_transfer"


def test_a_task_below_its_single_task_model_is_a_negative_transfer() -> None:
    watch = Watch(singles={"a": 0.9})
    told = [epoch(watch, 0.5, a=a, b=0.4) for a in (0.7, 0.8, 0.79, 0.78)]
    assert [len(some) for some in told] == [0, 0, 0, 1]
    assert "below its single-task model" in told[3][0].said


def test_the_validation_tickets_of_each_class_set_the_noise() -> None:
    falls = ((0.5, 0.8), (0.6, 0.72), (0.7, 0.71))
    for tickets, alerts in (([1000, 1000], 1), ([1990, 10], 0)):
        watch = Watch(tickets={"a": tickets})
        assert sum(len(epoch(watch, metric, a=a)) for metric, a in falls) == alerts


def test_a_task_without_validation_labels_is_left_out() -> None:
    watch = Watch()
    for _ in range(4):
        assert watch.epoch({"a": {"n": 0.0}}, 0.5) == []


@pytest.mark.parametrize("cut", range(5))
def test_a_resumed_run_says_what_the_first_would_have_said(cut: int) -> None:
    epochs = [(0.5, 0.8), (0.6, 0.7), (0.7, 0.69), (0.8, 0.68), (0.9, 0.5)]
    gradients = {"event": "gradients", "cosines": {"a|b": -0.4}, "norms": {"a": 99.0, "b": 1.0}}
    events = [
        event
        for metric, a in epochs
        for event in (
            *[{**gradients, "weights": {}}] * 4,
            {"event": "epoch", "metric": metric, "validation": {"a": {"n": 900, "macro_f1": a}}},
        )
    ]

    def alerts(watch: Watch, some: list[dict]) -> list[list[Alert]]:
        told = []
        for event in some:
            if event["event"] == "epoch":
                told.append(watch.epoch(event["validation"], event["metric"]))
            else:
                watch.gradients(event["cosines"], event["norms"], event["weights"])
        return told

    resumed = Watch()
    resumed.recall(events[: 5 * cut])
    assert alerts(resumed, events[5 * cut :]) == alerts(Watch(), events)[cut:]


def test_an_alerts_fields_are_what_its_event_holds() -> None:
    alert = Alert("conflict", ("a", "b"), "a and b are conflicting")
    assert alert.fields() == {
        "kind": "conflict",
        "tasks": ["a", "b"],
        "said": "a and b are conflicting",
    }
