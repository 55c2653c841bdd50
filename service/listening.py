"""A host and a port come in; a socket that is bound to them goes out."""

import socket

from service.errors import StartError


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A socket bound to the address but not listening yet.

    shared: others of this user may be bound to it as well. Raises StartError where the address is
    not to be had.
    """
    found = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        found.bind(address)
        found.setblocking(False)
    except OSError as error:
        if found is not None:
            found.close()
        raise StartError(f"cannot listen on {host} port {port}: {error.strerror}") from error
    return found
