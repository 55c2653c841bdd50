"""Metrics as a scrape sees them."""

from prometheus_client.parser import text_string_to_metric_families

from service.api.schema import Prediction, Timings
from service.contract.tasks import Task
from service.engine.answer import BatchReport, DeviceReport
from service.held import Reports
from service.metrics import CATALOGUE, Counts, Metrics, Serving

TIMINGS = Timings(tokenize=0.1, queue=0.4, infer=6.0, total=6.9)
OLD = Serving("1", "sha256:1", "cpu", False, (Task(name="queue", labels=("a", "b")),))
NEW = Serving("2", "sha256:2", "cuda", False, (Task(name="queue", labels=("b", "c")),))


def _values(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(metrics.exposition().decode())
    samples = (sample for family in families for sample in family.samples)
    return {
        tuple(sample.labels.values()): sample.value for sample in samples if sample.name == name
    }


def _prediction(label: str) -> Prediction:
    return Prediction(
        label=label, confidence=0.9, decision="human", threshold=None, alternatives=[]
    )


def test_the_exposition_holds_exactly_the_catalogue() -> None:
    families = text_string_to_metric_families(Metrics().exposition().decode())
    found = {family.name: family for family in families if family.name.startswith("harbor_")}
    found = {name: one for name, one in found.items() if not name.endswith("_created")}
    wanted = {entry.name.removesuffix("_total"): entry for entry in CATALOGUE}
    assert found.keys() == wanted.keys()
    for name, entry in wanted.items():
        assert (found[name].type, found[name].documentation) == (entry.type, entry.help)


def test_two_processes_parts_share_no_registry() -> None:
    one, other = Metrics(), Metrics()
    one.ticket("ok")
    assert _values(other, "harbor_tickets_total") == {}


def test_a_new_bundle_takes_the_old_ones_place_and_its_labels() -> None:
    metrics = Metrics()
    metrics.serving(OLD)
    metrics.routed({"queue": _prediction("a")}, TIMINGS, False)
    metrics.routed({"queue": _prediction("b")}, TIMINGS, False)
    metrics.serving(NEW)
    assert _values(metrics, "harbor_bundle_info") == {("sha256:2", "2"): 1.0}
    assert _values(metrics, "harbor_provider_info") == {("cuda",): 1.0}
    (kept,) = _values(metrics, "harbor_predictions_total")
    assert set(kept) == {"queue", "b", "human"}


def test_the_confidences_of_a_task_that_a_new_bundle_lacks_are_removed() -> None:
    metrics = Metrics()
    metrics.routed({"queue": _prediction("a"), "urgency": _prediction("P1")}, TIMINGS, False)
    metrics.serving(NEW)
    assert _values(metrics, "harbor_confidence_count") == {("queue",): 1.0}


def test_a_batch_counts_its_padding_and_what_was_dropped() -> None:
    metrics = Metrics()
    metrics.batch(BatchReport(tickets=2, real_tokens=30, padded_tokens=40, infer_s=0.5))
    metrics.batch(BatchReport(expired=1, abandoned=2))
    assert _values(metrics, "harbor_tokens_real_total") == {(): 30.0}
    assert _values(metrics, "harbor_tokens_padded_total") == {(): 40.0}
    assert _values(metrics, "harbor_batch_tickets_count") == {(): 1.0}
    dropped = _values(metrics, "harbor_tickets_dropped_total")
    assert dropped == {("expired",): 1.0, ("abandoned",): 2.0}


def test_the_queue_is_asked_when_the_metrics_are_read() -> None:
    metrics, depth = Metrics(), [3]
    metrics.watch_queue(lambda: depth[0])
    assert _values(metrics, "harbor_queue_depth") == {(): 3.0}
    depth[0] = 4
    assert _values(metrics, "harbor_queue_depth") == {(): 4.0}


def test_a_lost_device_is_seen_until_it_is_back() -> None:
    metrics = Metrics()
    metrics.serving(NEW)
    metrics.batch(BatchReport(device=DeviceReport("cuda", degraded=False, retries=2)))
    metrics.batch(BatchReport(device=DeviceReport("cpu", degraded=True, losses=1)))
    assert _values(metrics, "harbor_provider_info") == {("cpu",): 1.0}
    assert _values(metrics, "harbor_degraded") == {(): 1.0}
    metrics.batch(BatchReport(device=DeviceReport("cuda", degraded=False, recoveries=1)))
    assert _values(metrics, "harbor_provider_info") == {("cuda",): 1.0}
    assert _values(metrics, "harbor_degraded") == {(): 0.0}
    counts = {"retries": 2.0, "losses": 1.0, "recoveries": 1.0}
    for what, count in counts.items():
        assert _values(metrics, f"harbor_device_{what}_total") == {(): count}
    assert _values(metrics, "harbor_batch_tickets_count") == {(): 0.0}


def test_what_was_forgotten_and_counted_anew_is_never_less_than_nothing() -> None:
    key, other = ("f", "f_total", (("task", "a"),)), ("f", "f_total", (("task", "b"),))
    before = Counts({key: 50.0, other: 2.0})
    assert Counts({key: 53.0, other: 2.0}).since(before).values == {key: 3.0, other: 0.0}
    assert Counts({key: 3.0}).since(before).values == {key: 3.0}
    kept = before.still_in(Counts({other: 2.0}))
    assert Counts({key: 60.0, other: 3.0}).since(kept).values == {key: 60.0, other: 1.0}


def test_where_a_replaced_bundle_computes_says_nothing_of_the_one_that_serves() -> None:
    heard: list[BatchReport] = []
    reports = Reports(heard.append)
    report = BatchReport(tickets=1, device=DeviceReport("cpu", degraded=True))
    reports(report)
    reports.wanted = True
    reports(report)
    reports.replaced = True
    reports(report)
    assert [one.device for one in heard] == [report.device, None]
    assert [one.tickets for one in heard] == [1, 1]
