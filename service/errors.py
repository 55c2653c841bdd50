"""The exceptions of the service, each with the HTTP status and the stable code of its problem.

ServiceError
├── InvalidRequest            400 invalid_request         it cannot be read as what it should be
│   ├── InvalidJson           400 invalid_json            the body is not JSON (RFC 8259)
│   ├── InvalidDocument       422 invalid_document        the JSON is not what it should be
│   │   ├── InvalidTicket     422 invalid_ticket          the JSON is not a ticket; says where
│   │   └── InvalidFeedback   422 invalid_feedback        the JSON is not feedback; says where
│   ├── InvalidHeader         400 invalid_header          a header's value is outside its rule
│   ├── InvalidQuery          400 invalid_query           a query parameter's value likewise
│   └── UnsupportedMediaType  415 unsupported_media_type  the body is not sent as plain JSON
├── Unauthorized              401 unauthorized            the bearer token is missing or wrong
├── Forbidden                 403 forbidden               the service has no admin token
├── UnknownLegacy             404 unknown_legacy          no legacy of this name runs
├── NotProven                 409 not_proven              the evidence does not carry the change
├── Impossible                409 impossible              it cannot be done in this configuration
├── BodyTooLarge              413 body_too_large          the body exceeds the limit
├── BodyTimeout               408 body_timeout            the body did not arrive in time
├── Overloaded                503 overloaded              the queue is full; nothing was done
├── DeadlineExceeded          504 deadline_exceeded       the deadline passed before the answer
├── CallerLeft                499 caller_left             the caller closed the connection
├── Closing                   503 closing                 the server is stopping
├── NotReady                  503 not_ready               no bundle is loaded yet
├── LedgerUnavailable         503 ledger_unavailable      the store cannot be reached, or is off
├── InferenceFailed           500 inference_failed        the graph failed
└── StartError                (never over HTTP)           the service cannot start as asked
    ├── BundleRefused                                     a bundle did not prove itself
    ├── LedgerRefused                                     the ledger's URL cannot be used
    ├── ShadowRefused                                     the shadow's file cannot be used
    ├── PolicyRefused                                     the policy's file cannot be used
    └── ProviderMissing                                   the provider asked for is not to be had
"""

from typing import ClassVar


class ServiceError(Exception):
    """Any failure that the service knows; its message never holds a ticket's text."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"


class InvalidRequest(ServiceError):
    """The request cannot be read as what it should be."""

    status, code, title = 400, "invalid_request", "Invalid request"


class InvalidJson(InvalidRequest):
    """The body is not JSON as RFC 8259 defines it."""

    status, code, title = 400, "invalid_json", "The body is not valid JSON"


class InvalidDocument(InvalidRequest):
    """The JSON is not what it should be; `problems` lists (where, rule) pairs, not the input."""

    status, code, title = 422, "invalid_document", "The body is not a valid document"

    def __init__(self, message: str, problems: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class InvalidTicket(InvalidDocument):
    """The JSON is not a ticket; `problems` lists (where, rule) pairs, without the input."""

    code, title = "invalid_ticket", "The body is not a valid ticket"


class InvalidFeedback(InvalidDocument):
    """The JSON is not feedback; `problems` lists (where, rule) pairs, without the input."""

    code, title = "invalid_feedback", "The body is not valid feedback"


class InvalidHeader(InvalidRequest):
    """A header's value is outside its rule."""

    status, code, title = 400, "invalid_header", "A header's value is not valid"


class InvalidQuery(InvalidRequest):
    """A query parameter's value is outside its rule."""

    status, code, title = 400, "invalid_query", "A query parameter is not valid"


class UnsupportedMediaType(InvalidRequest):
    """The body is sent as something other than plain JSON."""

    status, code, title = 415, "unsupported_media_type", "The media type is not supported"


class Unauthorized(ServiceError):
    """The bearer token is missing or wrong."""

    status, code, title = 401, "unauthorized", "The bearer token is missing or wrong"


class Forbidden(ServiceError):
    """The service was started without an admin token, so nobody may do this."""

    status, code, title = 403, "forbidden", "Not allowed"


class UnknownLegacy(ServiceError):
    """No legacy of this name runs in shadow."""

    status, code, title = 404, "unknown_legacy", "No such legacy"


class NotProven(ServiceError):
    """The evidence does not carry the change; `force` makes it all the same."""

    status, code, title = 409, "not_proven", "The evidence does not carry the change"


class Impossible(ServiceError):
    """What was asked for cannot be done in this configuration."""

    status, code, title = 409, "impossible", "Not possible here"


class BodyTooLarge(ServiceError):
    """The body exceeds the limit; it was not read to its end."""

    status, code, title = 413, "body_too_large", "The body is too large"


class BodyTimeout(ServiceError):
    """The body did not arrive in time; nothing was done."""

    status, code, title = 408, "body_timeout", "The body did not arrive in time"


class Overloaded(ServiceError):
    """The queue is full; nothing was done. Retry after `retry_after_s`."""

    status, code, title = 503, "overloaded", "The queue is full"

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DeadlineExceeded(ServiceError):
    """The ticket's deadline passed before its answer; if it was still queued it was not run."""

    status, code, title = 504, "deadline_exceeded", "The deadline passed"


class CallerLeft(ServiceError):
    """The caller closed the connection; a ticket that was still queued was not run."""

    status, code, title = 499, "caller_left", "The caller left"


class Closing(ServiceError):
    """The server is shutting down and takes no more tickets."""

    status, code, title = 503, "closing", "The server is shutting down"


class NotReady(ServiceError):
    """No bundle is loaded yet."""

    status, code, title = 503, "not_ready", "No bundle is loaded yet"


class LedgerUnavailable(ServiceError):
    """The ledger's store cannot be reached, or the ledger is off; nothing was kept."""

    status, code, title = 503, "ledger_unavailable", "The ledger is not available"


class InferenceFailed(ServiceError):
    """The graph failed, or gave an answer of the wrong shape; the engine lives on."""

    status, code, title = 500, "inference_failed", "Inference failed"


class StartError(ServiceError):
    """The service cannot start as asked."""


class BundleRefused(StartError):
    """A bundle did not prove itself; the active one, if there is one, stays."""

    code, title = "bundle_refused", "The bundle was refused"


class LedgerRefused(StartError):
    """The ledger's URL cannot be used, or its store is newer than this code."""

    code, title = "ledger_refused", "The ledger was refused"


class ShadowRefused(StartError):
    """The shadow's configuration cannot be used; the message names the key and the rule."""

    code, title = "shadow_refused", "The shadow's configuration was refused"


class PolicyRefused(StartError):
    """The policy's file cannot be used; the message names the key and the rule."""

    code, title = "policy_refused", "The policy was refused"


class ProviderMissing(StartError):
    """The provider that was asked for is not to be had; the message says what is missing."""

    code, title = "provider_missing", "The execution provider is missing"
