"""Which listener each ``[[listen]]`` section becomes. A transport's module is imported only where it is configured."""

from __future__ import annotations

import functools

from nexo_bridge.adapters.tcp import TcpListener
from nexo_bridge.adapters.tcp_settings import TcpListen
from nexo_bridge.errors import ConfigurationError
from nexo_bridge.runtime.app import MakeListener
from nexo_bridge.runtime.settings import Listen, Settings


def makers(settings: Settings) -> list[MakeListener]:
    """One for each section, in order; each takes the intake and gives the listener, not yet started.

    Raises:
        ConfigurationError: a file that a section names is unusable.
    """
    return [_maker(one) for one in settings.listen]


def _maker(listen: Listen) -> MakeListener:
    if isinstance(listen, TcpListen):
        return functools.partial(TcpListener, listen)
    raise ConfigurationError(f'listen: kind "{listen.kind}" is not served by this version; use "tcp"')
