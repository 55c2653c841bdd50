"""An error of the core comes in and crosses to a front, where it is raised again."""

from service.errors import (
    Closing,
    DeadlineExceeded,
    InferenceFailed,
    NotReady,
    Overloaded,
    ServiceError,
)
from service.link.frames import Fault, Load


class CoreFailedError(Exception):
    """What the core's log has as `unexpected`, at the front that had asked."""


_KNOWN: dict[str, type[ServiceError]] = {
    kind.code: kind for kind in (Closing, DeadlineExceeded, InferenceFailed, NotReady)
}


def fault_of(number: int, load: Load, error: Exception) -> Fault:
    """What crosses; of an error that the service does not know only that it happened."""
    if isinstance(error, Overloaded):
        return Fault(number, load, error.code, str(error), error.retry_after_s)
    if isinstance(error, ServiceError):
        return Fault(number, load, error.code, str(error))
    return Fault(number, load, ServiceError.code, "the core's log has it")


def error_of(fault: Fault) -> Exception:
    """What the front raises."""
    if fault.code == Overloaded.code:
        return Overloaded(fault.message, fault.retry_after_s)
    return _KNOWN.get(fault.code, CoreFailedError)(fault.message)
