"""Which listener each ``[[listen]]`` section becomes. A transport's module is imported only where it is configured."""

from __future__ import annotations

import functools

from nexo_bridge.adapters.dial_settings import DialListen
from nexo_bridge.adapters.http_settings import HttpListen
from nexo_bridge.adapters.mqtt_settings import MqttListen
from nexo_bridge.adapters.tcp import TcpListener
from nexo_bridge.adapters.tls_settings import TlsListen
from nexo_bridge.runtime.app import MakeListener
from nexo_bridge.runtime.settings import Listen, Settings
from nexo_bridge.runtime.settings_mistakes import setting_name


def makers(settings: Settings, installation: str) -> list[MakeListener]:
    """One for each section, in order; each takes the intake and gives the listener, not yet started.

    Args:
        settings: of this start.
        installation: id of this installation, under which a broker knows it.

    Raises:
        ConfigurationError: a file that a section names is unusable.
    """
    return [
        _maker(one, setting_name(("listen", place)), settings, installation)
        for place, one in enumerate(settings.listen)
    ]


def ready_name(listen: Listen) -> str:
    """What the ready line calls a listener."""
    return listen.scheme if isinstance(listen, HttpListen) else listen.kind


def _maker(listen: Listen, setting: str, settings: Settings, installation: str) -> MakeListener:
    if isinstance(listen, MqttListen):
        from nexo_bridge.adapters.mqtt_listener import MqttListener

        return functools.partial(
            MqttListener, listen, installation=installation, poiids=tuple(settings.terminals)
        )
    if isinstance(listen, HttpListen):
        return _http(listen, setting, settings)
    if isinstance(listen, DialListen):
        from nexo_bridge.adapters.dial import DialListener

        return functools.partial(DialListener, listen, setting=setting)
    if isinstance(listen, TlsListen):
        from nexo_bridge.adapters.tls import TlsListener

        return functools.partial(TlsListener, listen, setting=setting)
    return functools.partial(TcpListener, listen)


def _http(listen: HttpListen, setting: str, settings: Settings) -> MakeListener:
    from nexo_bridge.adapters.http import HttpListener
    from nexo_bridge.adapters.http_outgoing import PosAddress

    addresses = {
        sale_id: PosAddress(pos.http, pos.http_ca)
        for sale_id, pos in settings.pos.items()
        if pos.http is not None
    }
    return functools.partial(HttpListener, listen, setting=setting, addresses=addresses)
