"""Whether the process takes new tickets: the one flag that a stop drops first."""


class Readiness:
    """Up until `drop`; then `/readyz` refuses and every reply closes its connection."""

    def __init__(self) -> None:
        self.draining = False

    def drop(self) -> None:
        """The process is about to stop."""
        self.draining = True
