"""A bundle directory comes in; a proven bundle goes out, with the engine that runs it."""

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from service.bundle import Bundle
from service.contract.bundle import (
    TOKENIZER,
    Manifest,
    Variant,
    check_digests,
    read_manifest,
)
from service.contract.errors import ContractError
from service.contract.tokens import Tokenizer
from service.engine.answer import BatchReport
from service.engine.batcher import Limits
from service.engine.cuda import Cuda
from service.engine.device import IN_FLIGHT, Device
from service.engine.devices import Devices
from service.engine.engine import Engine
from service.engine.guard import Guard
from service.engine.providers import Opened, has_driver, open_sessions
from service.engine.warm_up import warm_up_shapes
from service.engine.wide import Wide
from service.errors import BundleRefused, InferenceFailed
from service.policy import Policy, read_policy
from service.proof import prove_text
from service.reopening import Proof, spare_of
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
    at_once: bool = True,
) -> Bundle:
    """Opens a bundle and proves its golden tickets on the provider that will serve.

    Before that its digests, manifest, text template, tokenizer and graph are checked, and that the
    policy fits. in_shadow: it need not fit then, see `under`. at_once: sessions are opened on all
    cores; else on one, for where another bundle serves. Takes seconds: call it in a thread. The
    engine is built, not started: `async with bundle.engine` does that. Raises BundleRefused naming
    the cause, ProviderMissing where the provider that was asked for is not to be had,
    PolicyRefused where the policy cannot be read.
    """
    # Where a link leads is settled once: it may be pointed elsewhere while the files are read, and
    # what it leads to later is another bundle.
    directory = Path(os.path.realpath(directory))
    policy = None if settings.policy is None else read_policy(settings.policy)
    try:
        return _open(directory, settings, on_batch, policy, in_shadow, at_once)
    except (ContractError, InferenceFailed) as error:
        raise BundleRefused(f"bundle {directory.name}: {error}") from error
    except OSError as error:
        raise BundleRefused(f"bundle {directory.name} cannot be read: {error.strerror}") from error


def _open(
    directory: Path,
    settings: Settings,
    on_batch: Callable[[BatchReport], None],
    policy: Policy | None,
    in_shadow: bool,
    at_once: bool,
) -> Bundle:
    digest = check_digests(directory)
    manifest = read_manifest(directory)
    prove_text(manifest)
    variant = _variant(manifest, settings)
    rules = _rules(manifest, variant, policy, digest if in_shadow else None)
    tokenizer = Tokenizer.from_file(directory / TOKENIZER, manifest.token_limit)
    opened = _opened(directory, manifest, variant, settings, at_once)
    proof = Proof(directory, digest, manifest, variant, tokenizer)
    # On the CPU they are copies of one graph; each GPU is proved for itself.
    for session in opened.sessions[:1] if opened.provider == "cpu" else opened.sessions:
        proof.check(session)
    engine = _engine(opened, proof, settings, on_batch)
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


def _opened(
    directory: Path, manifest: Manifest, variant: Variant, settings: Settings, at_once: bool
) -> Opened:
    return open_sessions(
        directory / variant.file,
        manifest.tasks,
        _wanted(variant, settings.provider),
        sessions=settings.sessions,
        threads=settings.threads,
        cudas=_cudas(settings),
        at_once=at_once,
    )


def _engine(
    opened: Opened, proof: Proof, settings: Settings, on_batch: Callable[[BatchReport], None]
) -> Engine:
    limits = Limits(
        1 if proof.variant.alone else settings.max_batch,
        settings.budget_tokens,
        settings.max_queue,
        settings.drain_s,
        proof.variant.layout,
    )
    shapes = warm_up_shapes(opened.provider, limits, proof.manifest.token_limit)
    cores = settings.sessions * settings.threads
    if opened.provider == "cuda":
        devices = _devices(opened, proof, settings, limits)
        # Without an express worker: a call beside those in flight would only wait its turn.
        return Engine(
            [guard for guard in devices.guards for _ in range(IN_FLIGHT)],
            proof.manifest.pad_id,
            limits,
            on_batch=on_batch,
            warm_up=shapes,
            devices=devices,
            in_flight=IN_FLIGHT,
        )
    may_be_wide = settings.wide and settings.sessions > 1
    return Engine(
        opened.sessions,
        proof.manifest.pad_id,
        limits,
        on_batch=on_batch,
        warm_up=shapes,
        express=True,
        wide=Wide(lambda: proof.open_again("cpu", cores)) if may_be_wide else None,
        degraded=opened.degraded,
    )


def _devices(opened: Opened, proof: Proof, settings: Settings, limits: Limits) -> Devices:
    """Each GPU with what opens it again and what stands in for it."""
    spare = spare_of(proof, settings.sessions * settings.threads)
    guards = [
        Guard(session, partial(proof.open_again, "cuda", settings.threads, cuda), spare)
        for session, cuda in zip(opened.sessions, _cudas(settings), strict=True)
    ]
    return Devices(guards, _on_cpu(limits))


def _on_cpu(limits: Limits) -> Limits:
    """Of batches while the CPU stands in: what suits one, and never more than was asked for."""
    usual = Limits()
    return Limits(
        min(limits.max_batch, usual.max_batch),
        min(limits.budget_tokens, usual.budget_tokens),
        limits.max_queue,
        limits.drain_s,
    )


def _cudas(settings: Settings) -> list[Cuda]:
    """How each GPU is to be opened."""
    numbers = dict.fromkeys(int(number) for number in settings.cuda_devices.split(","))
    return [Cuda(settings.cuda_memory_mb, number, settings.cuda_graphs) for number in numbers]


def _variant(manifest: Manifest, settings: Settings) -> Variant:
    wanted = _device(settings.provider)
    found = [
        variant
        for variant in manifest.variants
        if (variant.precision, variant.layout) == (settings.precision, settings.layout)
    ]
    if not found:
        held = ", ".join(f"{variant.precision} {variant.layout}" for variant in manifest.variants)
        raise BundleRefused(
            f"the bundle has no {settings.layout} {settings.precision} graph, only {held}"
        )
    # A ragged graph with packed attention is for CUDA alone, and has a twin for the CPU.
    return next((variant for variant in found if wanted in variant.providers), found[0])


def _device(wanted: Provider) -> Device:
    """What `auto` will try first."""
    if wanted != "auto":
        return wanted
    return "cuda" if has_driver() else "cpu"


def _wanted(variant: Variant, wanted: Provider) -> Provider:
    """What to ask for, within the providers on which the variant was measured."""
    if wanted == "auto" and len(variant.providers) == 1:
        return variant.providers[0]
    if wanted != "auto" and wanted not in variant.providers:
        raise BundleRefused(
            f"{variant.file} is for {' and '.join(variant.providers)}, {wanted} was asked for"
        )
    return wanted
