"""Where a POI is reached, as a person writes it: ``tls://10.0.0.5:7778``, and the link that goes there."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import urlsplit

from nexo_bridge.nexo.form import Form
from nexo_bridge.pos.links.link import Link, Login, Mqtt
from nexo_bridge.pos.links.tcp import TcpLink

Scheme = Literal["tcp", "tls", "mqtt", "mqtts", "http", "https"]

_PORTS: dict[str, int] = {"mqtt": 1883, "mqtts": 8883, "http": 80, "https": 443}
"""Ports that have a custom; nexo itself has none."""
_PATH = "/EPASSaleToPOI/3.1"


@dataclass(frozen=True, slots=True)
class Address:
    """Where.

    Attributes:
        scheme: how.
        host: of the POI, or of the broker before it.
        port: there.
        path: of HTTP.
    """

    scheme: Scheme
    host: str
    port: int
    path: str = ""

    @property
    def secure(self) -> bool:
        """Whether it is reached in TLS."""
        return self.scheme in {"tls", "mqtts", "https"}


@dataclass(frozen=True, slots=True)
class Access:
    """How a POS makes itself known, and what it must know of the place.

    Attributes:
        tls: for a secure scheme: whom to trust, and our own certificate.
        login: at a broker.
        mqtt: version of MQTT.
        prefix: of MQTT topics.
        form: of the messages.
        listen: host and port where we listen for what the terminal wants of a POS that speaks HTTP; None: nowhere.
    """

    tls: ssl.SSLContext | None = None
    login: Login | None = None
    mqtt: Mqtt = "5"
    prefix: str = "nexo"
    form: Form = "xml"
    listen: tuple[str, int] | None = None


def place(text: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``.

    Raises:
        ValueError: it is none.
    """
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or parts.netloc != text or parts.username is not None:
        raise ValueError(f"{text!r} is not HOST:PORT")
    return host, port


def parse(text: str) -> Address:
    """The address of ``text``.

    Raises:
        ValueError: it is none; says what one looks like.
    """
    wanted = "tcp://, tls://, mqtt://, mqtts://, http:// or https:// and HOST:PORT"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"{text!r} is not {wanted}") from None
    scheme = next((one for one in get_args(Scheme) if one == parts.scheme), None)
    if scheme is None:
        raise ValueError(f"{text!r} is not {wanted}")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(f"{scheme}://{host or 'HOST'}: only a host, a port and, for HTTP, a path stand here")
    if parts.path and not scheme.startswith("http"):
        raise ValueError(f"{text!r} is not {scheme}://HOST:PORT")
    port = port or _PORTS.get(scheme)
    if not host or not port:
        raise ValueError(f"{text!r} is not {scheme}://HOST:PORT")
    if not scheme.startswith("http"):
        return Address(scheme, host, port)
    return Address(scheme, host, port, parts.path if parts.path.strip("/") else _PATH)


def link(address: Address, pair: tuple[str, str], access: Access) -> Link:
    """A link to ``address``, not yet connected, for SaleID and POIID."""
    tls = access.tls if address.secure else None
    match address.scheme:
        case "tcp" | "tls":
            return TcpLink(address.host, address.port, tls=tls)
        case "mqtt" | "mqtts":  # imported here: who speaks TCP need not wait for it
            from nexo_bridge.pos.links.mqtt import MqttLink

            return MqttLink(
                address.host,
                address.port,
                pair,
                version=access.mqtt,
                prefix=access.prefix,
                login=access.login,
                tls=tls,
            )
        case "http" | "https":
            from nexo_bridge.pos.links.http import HttpLink

            host = f"[{address.host}]" if ":" in address.host else address.host
            url = f"{address.scheme}://{host}:{address.port}{address.path}"
            return HttpLink(url, tls=tls, listen=access.listen)
