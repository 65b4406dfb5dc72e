"""Listening sockets of POS: bound with a clear error, and a storm of connections taken a few at a time."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Final

from nexo_bridge.errors import ConfigurationError

AT_ONCE: Final = 8
"""Connections that asyncio takes before anybody else has a turn: taking one costs up to a millisecond."""
_WAITING: Final = 256
"""Connections that wait in the kernel meanwhile."""


async def listen(
    protocol: Callable[[], asyncio.BaseProtocol], host: str, port: int
) -> tuple[asyncio.Server, str]:
    """Bind and accept.

    Returns:
        The server, and ``HOST:PORT`` as really bound (``[::1]:PORT`` for IPv6); of several addresses, the first.

    Raises:
        ConfigurationError: the address cannot be bound.
    """
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(protocol, host, port, backlog=AT_ONCE)
    except OSError as error:
        raise ConfigurationError(
            f"listen: cannot listen on {host} port {port} ({error.strerror or type(error).__name__}); "
            "set an address of this machine and a port nothing else uses"
        ) from error
    for listening in server.sockets:
        # asyncio has one number for both, so the kernel is told its own afterwards.
        with socket.socket(fileno=os.dup(listening.fileno())) as same:
            same.listen(_WAITING)
    bound = server.sockets[0].getsockname()
    return server, spoken(bound[0], bound[1])


def spoken(host: str, port: int) -> str:
    """``HOST:PORT`` as people and programs write it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
