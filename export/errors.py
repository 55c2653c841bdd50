"""The exceptions of export; a message states the rule and the value found, as one line.

ExportError
├── GraphError       the network cannot become a graph that keeps to the bundle's contract
├── ParityError      the graph does not answer as the checkpoint does; no bundle was written
├── TargetExists     the bundle's directory is there already; a sealed bundle never changes
├── LabelsRefused    the labelled tickets cannot carry a new calibration; no bundle was written
├── QuantizationRefused  the graph in whole numbers costs too much; no bundle was written
├── PromisesLost     the bundle does not say which promises its thresholds were chosen for
├── WrongCheckpoint  the checkpoint and the bundle, or what it says of itself, do not go together
└── Skipped          a check of `harbor-export verify` cannot be made on this machine
"""


class ExportError(Exception):
    """A checkpoint could not become a bundle, or a bundle did not prove itself."""


class GraphError(ExportError):
    """The network cannot become a graph that keeps to the bundle's contract."""


class ParityError(ExportError):
    """The graph does not answer as the checkpoint does; no bundle was written."""


class TargetExists(ExportError):
    """The bundle's directory is there already; a sealed bundle never changes."""


class LabelsRefused(ExportError):
    """The labelled tickets cannot carry a new calibration; no bundle was written."""


class QuantizationRefused(ExportError):
    """The graph in whole numbers costs too much, or too few tickets tell; no bundle was written."""


class PromisesLost(ExportError):
    """The bundle does not say which promises its thresholds were chosen for."""


class WrongCheckpoint(ExportError):
    """The checkpoint and the bundle, or what it says of itself, do not go together."""


class Skipped(ExportError):
    """A check cannot be made on this machine; the message says why. Never silent: it is shown."""
