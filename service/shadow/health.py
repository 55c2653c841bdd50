"""Whether a legacy answered comes in, ticket by ticket; a log line where that changes goes out."""

from collections.abc import Callable

from service.logs import Log, failure

QUIET_S = 60.0


class Health:
    """Logs when a legacy begins to fail and when it answers again, at most once a minute.

    Every single failure is in the metrics; a line for each would bury the rest of the log.
    """

    def __init__(self, legacy: str, log: Log, clock: Callable[[], float]) -> None:
        self._legacy, self._log, self._clock = legacy, log, clock
        self._is_failing = False
        self._logged_at: float | None = None

    def failed(self, reason: str, error: Exception | None = None) -> None:
        """It was asked in vain. error: where it is not one that a legacy may raise."""
        if not self._is_failing and self._may_log():
            self._is_failing = True
            details = failure(error) if error is not None else {}
            self._log.warning("legacy fails", legacy=self._legacy, reason=reason, **details)

    def answered(self) -> None:
        """It answered."""
        if self._is_failing and self._may_log():
            self._is_failing = False
            self._log.info("legacy answers again", legacy=self._legacy)

    def _may_log(self) -> bool:
        now = self._clock()
        if self._logged_at is not None and now - self._logged_at < QUIET_S:
            return False
        self._logged_at = now
        return True
