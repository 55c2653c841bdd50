"""A bundle directory comes in; a proven bundle goes out, with the engine that runs it."""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from service.bundle import Bundle
from service.contract.bundle import (
    TOKENIZER,
    Manifest,
    Variant,
    check_digests,
    read_golden,
    read_manifest,
)
from service.contract.errors import ContractError
from service.contract.tokens import Tokenizer
from service.engine.answer import BatchReport
from service.engine.batcher import Limits
from service.engine.engine import Engine
from service.engine.providers import Opened, open_sessions
from service.engine.session import Session
from service.engine.warm_up import warm_up_shapes
from service.engine.wide import Wide
from service.errors import BundleRefused, InferenceFailed
from service.policy import Policy, read_policy
from service.proof import prove_golden, prove_graph, prove_text
from service.rules import Rule, rules_of
from service.settings import Provider, Settings

logger = logging.getLogger(__name__)


def _ignore(_: object) -> None:
    """Where nobody listens."""


def open_bundle(
    directory: Path,
    settings: Settings,
    on_batch: Callable[[BatchReport], None] = _ignore,
    *,
    in_shadow: bool = False,
) -> Bundle:
    """Opens a bundle and proves its golden tickets on the provider that will serve.

    Before that its digests, manifest, text template, tokenizer and graph are checked, and that the
    policy fits. in_shadow: it need not fit then, see `under`. Takes seconds: call it in a thread.
    The engine is built, not started: `async with bundle.engine` does that. Raises BundleRefused
    naming the cause, ProviderMissing where the provider that was asked for is not to be had,
    PolicyRefused where the policy cannot be read.
    """
    # Where a link leads is settled once: it may be pointed elsewhere while the files are read, and
    # what it leads to later is another bundle.
    directory = Path(os.path.realpath(directory))
    policy = None if settings.policy is None else read_policy(settings.policy)
    try:
        return _open(directory, settings, on_batch, policy, in_shadow)
    except (ContractError, InferenceFailed) as error:
        raise BundleRefused(f"bundle {directory.name}: {error}") from error
    except OSError as error:
        raise BundleRefused(f"bundle {directory.name} cannot be read: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class _Proof:
    """What a session of an open bundle has to answer before it may serve."""

    directory: Path
    digest: str
    manifest: Manifest
    variant: Variant
    tokenizer: Tokenizer

    def check(self, session: Session) -> None:
        """Raises BundleRefused, ContractError."""
        golden = read_golden(self.directory, self.variant)
        prove_graph(session, self.manifest, self.variant)
        prove_golden(session, self.tokenizer, golden, self.manifest, self.variant)

    def open_again(self, threads: int) -> Session:
        """One more session of the same graph on the CPU, proven. Raises BundleRefused."""
        # Since the start another bundle may have been put there.
        if check_digests(self.directory) != self.digest:
            raise BundleRefused(
                f"{self.directory.name} holds another bundle than the one that serves"
            )
        graph = self.directory / self.variant.file
        session = Session.open(graph, self.manifest.tasks, "cpu", threads)
        self.check(session)
        return session


def _open(
    directory: Path,
    settings: Settings,
    on_batch: Callable[[BatchReport], None],
    policy: Policy | None,
    in_shadow: bool,
) -> Bundle:
    digest = check_digests(directory)
    manifest = read_manifest(directory)
    prove_text(manifest)
    variant = _variant(manifest, settings)
    rules = _rules(manifest, variant, policy, digest if in_shadow else None)
    tokenizer = Tokenizer.from_file(directory / TOKENIZER, manifest.token_limit)
    opened = _opened(directory, manifest, variant, settings)
    proof = _Proof(directory, digest, manifest, variant, tokenizer)
    # The sessions share one graph: to prove the first proves them all.
    proof.check(opened.sessions[0])

    def open_wide() -> Session:
        return proof.open_again(settings.sessions * settings.threads)

    engine = _engine(opened, manifest, variant, settings, on_batch, open_wide)
    return Bundle(
        directory,
        digest,
        manifest,
        variant,
        tokenizer,
        engine,
        rules,
        opened.provider,
        opened.degraded,
        opened.reason,
        policy,
    )


def under(bundle: Bundle, policy: Policy | None, *, in_shadow: bool = False) -> Bundle:
    """The same open bundle with the rules that a policy makes.

    in_shadow: the policy may name tasks that this bundle lacks, and of a task that its line does
    not fit nothing is `auto`; the log says so. Raises BundleRefused where it does not fit.
    """
    if policy is None and bundle.policy is None:
        return bundle
    tolerant = bundle.digest if in_shadow else None
    rules = _rules(bundle.manifest, bundle.variant, policy, tolerant)
    return replace(bundle, rules=rules, policy=policy)


def _rules(
    manifest: Manifest, variant: Variant, policy: Policy | None, tolerant: str | None
) -> dict[str, Rule]:
    """tolerant: as what the log names a bundle that the policy need not fit."""
    if policy is None:
        return rules_of(manifest.tasks, variant)
    if tolerant is not None:

        def misfit(error: ValueError) -> None:
            logger.warning("bundle %s: nothing is auto by %s: %s", tolerant, policy.name, error)

        return rules_of(manifest.tasks, variant, policy, misfit)
    try:
        policy.check(manifest.tasks)
        return rules_of(manifest.tasks, variant, policy)
    except ValueError as error:
        raise BundleRefused(f"{policy.name} does not fit the bundle: {error}") from error


def _opened(directory: Path, manifest: Manifest, variant: Variant, settings: Settings) -> Opened:
    return open_sessions(
        directory / variant.file,
        manifest.tasks,
        _wanted(variant, settings.provider),
        sessions=settings.sessions,
        threads=settings.threads,
        cuda_memory_mb=settings.cuda_memory_mb,
    )


def _engine(
    opened: Opened,
    manifest: Manifest,
    variant: Variant,
    settings: Settings,
    on_batch: Callable[[BatchReport], None],
    open_wide: Callable[[], Session],
) -> Engine:
    limits = Limits(
        1 if variant.alone else settings.max_batch,
        settings.budget_tokens,
        settings.max_queue,
        settings.drain_s,
    )
    on_cpu = opened.provider == "cpu"
    may_be_wide = settings.wide and on_cpu and settings.sessions > 1
    shapes = warm_up_shapes(opened.provider, limits, manifest.token_limit)
    return Engine(
        opened.sessions,
        manifest.pad_id,
        limits,
        on_batch=on_batch,
        warm_up=shapes,
        # A GPU has one stream: a second call beside it would only wait its turn.
        express=on_cpu,
        wide=Wide(open_wide) if may_be_wide else None,
    )


def _variant(manifest: Manifest, settings: Settings) -> Variant:
    for variant in manifest.variants:
        if variant.precision == settings.precision and variant.layout == "padded":
            return variant
    held = ", ".join(f"{variant.precision} {variant.layout}" for variant in manifest.variants)
    raise BundleRefused(f"the bundle has no padded {settings.precision} graph, only {held}")


def _wanted(variant: Variant, wanted: Provider) -> Provider:
    """What to ask for, within the providers on which the variant was measured."""
    if wanted == "auto" and len(variant.providers) == 1:
        return variant.providers[0]
    if wanted != "auto" and wanted not in variant.providers:
        raise BundleRefused(
            f"{variant.file} is for {' and '.join(variant.providers)}, {wanted} was asked for"
        )
    return wanted
