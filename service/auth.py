"""A request's headers come in; it passes only with the admin token."""

import hmac

from starlette.datastructures import Headers

from service.errors import Forbidden, Unauthorized
from service.settings import Settings

_SCHEME = b"bearer"


def check_admin(headers: Headers, settings: Settings) -> None:
    """Passes a request that carries `Authorization: Bearer TOKEN` with the admin token.

    Raises Forbidden where the service has no token, Unauthorized where it is not this one.
    """
    if not _token(settings):
        raise Forbidden("the service was started without HARBOR_ADMIN_TOKEN")
    if not is_admin(headers, settings):
        raise Unauthorized("send the admin token as Authorization: Bearer TOKEN")


def is_admin(headers: Headers, settings: Settings) -> bool:
    """Whether a request carries the admin token."""
    wanted = _token(settings)
    # Headers are bytes, which come decoded as Latin-1; a token may hold any others.
    scheme, _, given = headers.get("authorization", "").encode("latin-1").partition(b" ")
    if not wanted or scheme.lower() != _SCHEME:
        return False
    # In a time that does not tell how much of it was right.
    return hmac.compare_digest(given.strip(), wanted)


def _token(settings: Settings) -> bytes:
    """Empty where there is none: an empty variable is how a compose file says so.

    No header can carry the spaces, or the end of a line, that a file has around it.
    """
    if settings.admin_token is None:
        return b""
    return settings.admin_token.get_secret_value().strip().encode(errors="surrogateescape")
