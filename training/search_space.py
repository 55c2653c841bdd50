"""A configuration comes in; what a search may change of it, and the configuration that a trial's
choices make, go out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from training.config import RunConfig, parse_config

Choice = float | str
RATE, HEAD_RATE, DECAY = "encoder_rate", "head_rate", "weight_decay"
BALANCE, SAMPLING, TEMPERATURE, WEIGHT = "balance", "sampling", "temperature", "weight."

_WIDTH = {RATE: 5.0, HEAD_RATE: 10.0}
"""A rate lies within this factor of the configuration's own."""
_DECAYS = (1e-4, 0.3)
_WEIGHTS = (0.25, 4.0)
_TEMPERATURES = (0.2, 1.0)
"""1 draws in proportion to a task's labels; towards 0 every task equally often."""


@dataclass(frozen=True)
class Range:
    """A number within [low, high]; of `logarithmic`, each doubling is as likely."""

    low: float
    high: float
    logarithmic: bool = True


@dataclass(frozen=True)
class Space:
    """What a search may choose for one configuration.

    Loss weights are searched as those of `manual`, the first task's being 1; against the
    configuration's own method where that is neither `equal` nor `manual`. So is the sampling
    temperature against the configuration's own sampling.
    """

    config: RunConfig

    @property
    def rates(self) -> dict[str, Range]:
        """What every trial chooses."""
        own = self.config.optimizer
        found = {
            name: Range(getattr(own, name) / width, getattr(own, name) * width)
            for name, width in _WIDTH.items()
        }
        decay = own.weight_decay or _DECAYS[0]
        return {**found, DECAY: Range(min(_DECAYS[0], decay), max(_DECAYS[1], decay))}

    @property
    def methods(self) -> tuple[str, ...]:
        """The balances to choose from; none for a single task."""
        if len(self.config.tasks) == 1:
            return ()
        own = self.config.balance.method
        return ("manual",) if own in {"equal", "manual"} else (own, "manual")

    @property
    def weights(self) -> dict[str, Range]:
        """Of `manual`: the weight of each task but the first."""
        every = {name: self.config.balance.weights.get(name, 1.0) for name in self.config.tasks}
        first, *others = every
        scale = every[first] or 1.0
        found = {}
        for name in others:
            own = every[name] / scale or _WEIGHTS[0]
            found[WEIGHT + name] = Range(min(_WEIGHTS[0], own), max(_WEIGHTS[1], own))
        return found

    @property
    def samplings(self) -> tuple[str, ...]:
        """The samplings to choose from; none for a single task."""
        if len(self.config.tasks) == 1:
            return ()
        own = self.config.batch.sampling
        return ("temperature",) if own == "temperature" else (own, "temperature")

    @property
    def temperature(self) -> Range:
        """Of the sampling `temperature`."""
        own = self.config.batch.temperature
        low, high = _TEMPERATURES
        return Range(min(low, own), max(high, own), logarithmic=False)

    def own(self) -> dict[str, Choice]:
        """The configuration's own choices: the first trial, so that the best is at least as good.

        But for a weight of 0, of a loss or of the decay: the least that is searched stands for it.
        """
        optimizer, ranges = self.config.optimizer, self.rates
        chosen: dict[str, Choice] = {name: getattr(optimizer, name) for name in ranges}
        chosen[DECAY] = max(optimizer.weight_decay, ranges[DECAY].low)
        if self.methods:
            chosen[BALANCE] = self.methods[0]
        if self.methods == ("manual",):
            chosen |= self._own_weights()
        if self.samplings:
            chosen[SAMPLING] = self.samplings[0]
        if self.samplings == ("temperature",):
            chosen[TEMPERATURE] = self.config.batch.temperature
        return chosen

    def config_of(self, chosen: Mapping[str, Choice]) -> RunConfig:
        """The run that choices make. Raises ConfigError."""
        document = self.config.model_dump(mode="json")
        document["optimizer"].update({name: chosen[name] for name in self.rates})
        if chosen.get(BALANCE) == "manual":
            document["balance"].update(method="manual", weights=self._weights_of(chosen))
        if chosen.get(SAMPLING) == "temperature":
            document["batch"].update(sampling="temperature", temperature=chosen[TEMPERATURE])
        return parse_config(document, "a trial of the search")

    def _own_weights(self) -> dict[str, Choice]:
        every = self.config.balance.weights
        scale = every.get(next(iter(self.config.tasks)), 1.0) or 1.0
        own = {name: every.get(name.removeprefix(WEIGHT), 1.0) / scale for name in self.weights}
        return {name: max(own[name], one.low) for name, one in self.weights.items()}

    def _weights_of(self, chosen: Mapping[str, Any]) -> dict[str, float]:
        first = next(iter(self.config.tasks))
        return {first: 1.0, **{name.removeprefix(WEIGHT): chosen[name] for name in self.weights}}
