"""Probes, the bundle's summary, metrics and the interface's description."""

from pathlib import Path

from service.api.schema import REPLY, BatchReply, BundleSummary
from service.readiness import Readiness
from tests.service.desk import TICKET, Desk, one_process, serving


async def test_a_server_with_a_bundle_is_alive_and_ready(desk: Desk) -> None:
    assert (await desk.client.get("/livez")).json() == {"status": "alive"}
    assert (await desk.client.get("/readyz")).json() == {"status": "ready"}


async def test_a_server_that_stops_is_alive_not_ready_and_still_answers(desk: Desk) -> None:
    desk.core.readiness.drop()
    ready = await desk.client.get("/readyz")
    assert (ready.status_code, ready.json()["code"]) == (503, "closing")
    assert ready.headers["retry-after"] == "1"
    assert (await desk.client.get("/livez")).status_code == 200
    reply = await desk.client.post("/route", json=TICKET)
    assert reply.status_code == 200
    assert reply.headers["connection"] == "close"


@one_process
async def test_a_server_without_a_bundle_says_so(desk: Desk) -> None:
    desk.core.bundles._active = None
    for reply in (
        await desk.client.get("/readyz"),
        await desk.client.get("/bundle"),
        await desk.client.get("/openapi.json"),
        await desk.client.post("/route", json=TICKET),
    ):
        assert (reply.status_code, reply.json()["code"]) == (503, "not_ready")
    assert (await desk.client.get("/livez")).status_code == 200
    assert "harbor_queue_depth 0.0" in (await desk.client.get("/metrics")).text


async def test_the_bundle_is_summed_up(desk: Desk) -> None:
    reply = await desk.client.get("/bundle")
    found = BundleSummary.model_validate_json(reply.content)
    assert found.bundle.digest == desk.core.bundles.active.digest
    assert [task.name for task in found.tasks] == ["category", "urgency", "queue"]
    assert (found.provider, found.degraded, found.variant.precision) == ("cpu", False, "fp32")


async def test_metrics_are_plain_text_and_name_what_serves(desk: Desk) -> None:
    await desk.client.post("/route", json=TICKET)
    reply = await desk.client.get("/metrics")
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    digest = desk.core.bundles.active.digest
    assert f'harbor_bundle_info{{digest="{digest}",version="test-1"}} 1.0' in reply.text
    assert 'harbor_provider_info{provider="cpu"} 1.0' in reply.text
    assert "harbor_degraded 0.0" in reply.text
    assert 'harbor_stage_seconds_count{stage="infer"} 1.0' in reply.text
    assert "harbor_batch_tickets_count 1.0" in reply.text
    assert 'harbor_confidence_count{task="urgency"} 1.0' in reply.text


async def test_the_description_covers_every_public_path_with_real_examples(desk: Desk) -> None:
    found = (await desk.client.get("/openapi.json")).json()
    assert set(found["paths"]) == {
        "/route",
        "/route/batch",
        "/feedback",
        "/feedback/batch",
        "/shadow",
        "/shadow/report",
        "/shadow/promote",
        "/shadow/rollback",
        "/tickets/{ticket_id}",
        "/bundle",
        "/reliability",
        "/livez",
        "/readyz",
        "/metrics",
    }
    examples = {
        path: operation["responses"]["200"]["content"]["application/json"].get("example")
        for path in ("/route", "/route/batch", "/bundle")
        for operation in found["paths"][path].values()
    }
    made = REPLY.validate_python(examples["/route"])
    assert made.bundle.digest == desk.core.bundles.active.digest
    assert len(BatchReply.model_validate(examples["/route/batch"]).results) == 2
    BundleSummary.model_validate(examples["/bundle"])


async def test_the_examples_of_requests_can_be_sent_as_they_are(
    bundle: Path, tmp_path: Path
) -> None:
    async with serving(bundle, ledger=f"sqlite:///{tmp_path}/ledger.db") as desk:
        found = (await desk.client.get("/openapi.json")).json()
        for path in ("/route", "/route/batch", "/feedback", "/feedback/batch"):
            body = found["paths"][path]["post"]["requestBody"]["content"]["application/json"]
            assert (await desk.client.post(path, json=body["example"])).status_code == 200


async def test_the_description_follows_a_swap(desk: Desk, promising: Path) -> None:
    before = (await desk.client.get("/openapi.json")).text
    await desk.core.bundles.swap(promising)
    after = (await desk.client.get("/openapi.json")).text
    assert ("test-1" in before, "test-2" in after, "test-1" in after) == (True, True, False)


async def test_the_description_has_a_page(desk: Desk) -> None:
    assert "openapi.json" in (await desk.client.get("/docs")).text


def test_readiness_only_ever_drops() -> None:
    readiness = Readiness()
    assert not readiness.draining
    readiness.drop()
    readiness.drop()
    assert readiness.draining


async def test_a_new_application_shares_nothing_with_another(bundle: Path) -> None:
    async with serving(bundle) as one, serving(bundle) as other:
        await one.client.post("/route", json=TICKET)
        assert 'outcome="ok"' not in other.metrics
