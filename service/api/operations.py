"""The questions of whoever runs the service come in: what serves, is it ready, how is it doing?"""

from starlette.requests import Request
from starlette.responses import Response

from service.api.schema import BundleName, BundleSummary, RuleSummary, Status, VariantSummary
from service.bundle import Bundle
from service.core import Core
from service.errors import Closing, NotReady
from service.metrics import CONTENT_TYPE
from service.rules import NEVER, Rule

JSON = "application/json"


class Operations:
    """The endpoints for operating the service; none of them waits long."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def bundle(self, _: Request) -> Response:
        """The bundle that serves."""
        with self._core.bundles.lease() as bundle:
            return Response(summary(bundle).model_dump_json(), media_type=JSON)

    async def livez(self, _: Request) -> Response:
        """200 as long as the process answers at all: restart it when this fails."""
        return _status("alive")

    async def readyz(self, _: Request) -> Response:
        """200 while new tickets are welcome; 503 with a reason in a stop, without a bundle, or
        where a worker of the engine has died.
        """
        if self._core.readiness.draining:
            raise Closing("the server is stopping; what it accepted is still answered")
        with self._core.bundles.lease() as bundle:
            if not bundle.engine.alive:
                raise NotReady("a worker of the engine has died; restart the process")
            return _status("ready")

    async def metrics(self, _: Request) -> Response:
        """Every metric in Prometheus's plain text format."""
        return Response(await self._core.metrics.read(), headers={"Content-Type": CONTENT_TYPE})


def summary(bundle: Bundle) -> BundleSummary:
    """What `GET /bundle` says of a bundle."""
    manifest, variant = bundle.manifest, bundle.variant
    return BundleSummary(
        bundle=BundleName(version=manifest.version, digest=bundle.digest),
        tasks=list(manifest.tasks),
        token_limit=manifest.token_limit,
        encoder=manifest.encoder,
        data_fingerprint=manifest.data_fingerprint,
        code_fingerprint=manifest.code_fingerprint,
        variant=VariantSummary(
            precision=variant.precision,
            layout=variant.layout,
            quality=variant.quality,
            thresholds=variant.thresholds,
            sets={task: list(rules) for task, rules in variant.sets.items()},
            scope=variant.scope,
        ),
        provider=bundle.provider,
        degraded=bundle.degraded,
        metrics=manifest.metrics,
        rules={task: _rule(rule) for task, rule in bundle.rules.items()},
        policy=None if bundle.policy is None else bundle.policy.digest,
    )


def _rule(rule: Rule) -> RuleSummary:
    return RuleSummary(
        choose="probability" if rule.chooses is None else "expected_cost",
        auto=rule.thresholds(),
        suggest=None if rule.suggest == NEVER else rule.suggest,
        human=None if rule.limit == NEVER else rule.limit,
        promise=rule.promise,
    )


def _status(word: str) -> Response:
    return Response(Status(status=word).model_dump_json(), media_type=JSON)
