"""The exceptions of export; a message states the rule and the value found, as one line.

ExportError
├── GraphError     the network cannot become a graph that keeps to the bundle's contract
├── ParityError    the graph does not answer as the checkpoint does; no bundle was written
├── TargetExists   the bundle's directory is there already; a sealed bundle never changes
└── Skipped        a check of `harbor-export verify` cannot be made on this machine
"""


class ExportError(Exception):
    """A checkpoint could not become a bundle, or a bundle did not prove itself."""


class GraphError(ExportError):
    """The network cannot become a graph that keeps to the bundle's contract."""


class ParityError(ExportError):
    """The graph does not answer as the checkpoint does; no bundle was written."""


class TargetExists(ExportError):
    """The bundle's directory is there already; a sealed bundle never changes."""


class Skipped(ExportError):
    """A check cannot be made on this machine; the message says why. Never silent: it is shown."""
