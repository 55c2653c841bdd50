"""A request's headers come in; it passes only with the admin token."""

import hmac

from starlette.datastructures import Headers

from service.errors import Forbidden, Unauthorized
from service.settings import Settings

_SCHEME = "bearer "


def check_admin(headers: Headers, settings: Settings) -> None:
    """Passes a request that carries `Authorization: Bearer TOKEN` with the admin token.

    Raises Forbidden where the service has no token, Unauthorized where it is not this one.
    """
    if settings.admin_token is None:
        raise Forbidden("the service was started without HARBOR_ADMIN_TOKEN")
    given = headers.get("authorization", "")
    token = given[len(_SCHEME) :] if given.lower().startswith(_SCHEME) else ""
    wanted = settings.admin_token.get_secret_value()
    # In a time that does not tell how much of it was right.
    if not hmac.compare_digest(token.encode(), wanted.encode()):
        raise Unauthorized("send the admin token as Authorization: Bearer TOKEN")
