"""From the settings of a broker to how it is reached: certificates and password, read anew for each connection."""

from __future__ import annotations

import ssl

from nexo_bridge.adapters.mqtt import Access
from nexo_bridge.adapters.mqtt_settings import MqttListen
from nexo_bridge.errors import ConfigurationError


class _Socket(ssl.SSLSocket):
    """Closes itself when the handshake fails: the library lets go of it without."""

    def do_handshake(self, block: bool = False) -> None:
        """See ``ssl``."""
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def access_of(settings: MqttListen, client_id: str) -> Access:
    """How to reach the broker. Blocks.

    Raises:
        ConfigurationError: a file that the settings name cannot be used.
    """
    context = None
    try:
        if settings.tls:
            context = ssl.create_default_context(cafile=settings.ca)
            context.sslsocket_class = _Socket
            if settings.certificate is not None:
                context.load_cert_chain(settings.certificate, settings.key)
        password = "" if settings.password is None else settings.password.read_text().rstrip("\r\n")
    except (OSError, ValueError) as failed:
        raise ConfigurationError(
            f"listen: a file of the MQTT section {settings.name} cannot be used "
            f"({getattr(failed, 'strerror', None) or type(failed).__name__}); check ca, certificate, key, password"
        ) from failed
    return Access(
        host=settings.host,
        port=settings.port,
        version=settings.version,
        client_id=client_id,
        username=settings.username,
        password=password,
        context=context,
        websocket_path=settings.websocket_path if settings.transport == "websockets" else "",
        keepalive=settings.keepalive,
        session_expiry=settings.session_expiry,
        largest=settings.max_frame,
    )
