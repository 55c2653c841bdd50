"""A bundle that is open comes in; one more session of it goes out, proven as the first was."""

from dataclasses import dataclass, replace
from pathlib import Path

from service.contract.bundle import Manifest, Variant, check_digests, read_golden
from service.contract.tokens import Tokenizer
from service.engine.cuda import Cuda
from service.engine.device import Device
from service.engine.padding import Padding
from service.engine.runner import Runner
from service.engine.session import Session
from service.engine.spare import Spare
from service.errors import BundleRefused
from service.proof import prove_golden, prove_graph


@dataclass(frozen=True, slots=True)
class Proof:
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

    def open_again(self, provider: Device, threads: int, cuda: Cuda | None = None) -> Session:
        """One more session of the same graph, proven. Raises BundleRefused, ProviderMissing."""
        # Since the start another bundle may have been put there.
        if check_digests(self.directory) != self.digest:
            raise BundleRefused(
                f"{self.directory.name} holds another bundle than the one that serves"
            )
        graph = self.directory / self.variant.file
        session = Session.open(graph, self.manifest.tasks, provider, threads, cuda or Cuda())
        self.check(session)
        return session


def spare_of(proof: Proof, threads: int) -> Spare | None:
    """What stands in on the CPU for a lost device; None where no graph of the bundle can.

    threads: of one call.
    """
    variant = stand_in(proof.manifest, proof.variant)
    if variant is None:
        return None
    other = replace(proof, variant=variant)

    def open_one() -> Runner:
        session = other.open_again("cpu", threads)
        if proof.variant.scope is not None and not session.has_scope:
            raise BundleRefused(f"{variant.file} gives no scope score, {proof.variant.file} does")
        return Padding(session, proof.manifest.pad_id) if variant.layout == "padded" else session

    return Spare(open_one)


def stand_in(manifest: Manifest, variant: Variant) -> Variant | None:
    """The graph that answers on the CPU as `variant` does elsewhere: itself in full precision, or
    else the padded one; only where there is none one of its own precision, which a CPU is slow at.
    """
    ways = [("fp32", "padded"), (variant.precision, variant.layout), (variant.precision, "padded")]
    if variant.precision == "fp32":
        ways.insert(0, ("fp32", variant.layout))
    for way in ways:
        for one in manifest.variants:
            if (one.precision, one.layout) == way and "cpu" in one.providers and not one.alone:
                return one
    return None
