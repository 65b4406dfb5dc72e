"""The ways of one play from its POS to the bridge: what the bridge listens on, and the wires that lead there."""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from nexo_bridge.conversation.transports import KINDS, Transport
from nexo_bridge.conversation.wires import HttpWire, LineWire, MqttWire, Pair, Wire
from nexo_bridge.nexo.form import Form
from nexo_bridge.pos.links.link import tls_context
from nexo_bridge.sandbox.certificates import Authority

HOST: Final = "127.0.0.1"
_MOST_EARS: Final = 4  # POS whom HTTP can tell something: S1 to S4


class Ways:
    """See the module.

    Args:
        transports: over which POS come, no two of one play alike. Both versions of MQTT are one listener, which speaks
            the first of them: it is the broker's to bring POS and bridge together.
        form: in which POS write.
        broker: where one is; there must be one for MQTT.
        changed: called when something was heard that nobody else tells.
    """

    def __init__(
        self,
        transports: Sequence[Transport],
        form: Form,
        broker: tuple[str, int] | None,
        changed: Callable[[], None],
    ) -> None:
        self._listens: dict[str, Transport] = {}
        for one in transports:
            self._listens.setdefault(KINDS[one], one)
        self._form = form
        self._broker = broker
        self._changed = changed
        self._prefix = f"play-{uuid.uuid4().hex}"
        self._ears: dict[str, int] = {}

    def lead(self, transport: Transport) -> bool:
        """Whether a POS can come over it."""
        return KINDS[transport] in self._listens

    def settings(self, authority: Authority) -> Iterator[tuple[str, str]]:
        """What they want in the bridge's configuration. Blocking: certificates are files.

        Args:
            authority: issues the bridge's certificate, and is trusted by POS.
        """
        sections = [self._section(transport, authority) for transport in self._listens.values()]
        yield "listen", json.dumps(sections).replace(": ", " = ")
        if "tls" in self._listens:
            self._trusted = tls_context(authority.root.certificate, None, None)
        if "http" in self._listens:
            self._ears = {f"S{number}": free_port() for number in range(1, _MOST_EARS + 1)}
            for sale_id, port in self._ears.items():
                yield f"pos.{sale_id}.http", f"http://{HOST}:{port}"

    @property
    def _at_broker(self) -> tuple[str, int]:
        assert self._broker is not None, "see Args"
        return self._broker

    def _section(self, transport: Transport, authority: Authority) -> dict[str, Any]:
        """The ``[[listen]]`` of one."""
        section: dict[str, Any] = {"kind": KINDS[transport], "json": self._form != "xml"}
        match transport:
            case "tls":
                pair = authority.server([HOST])
                section |= {"port": 0, "certificate": str(pair.certificate), "key": str(pair.key)}
            case "mqtt3" | "mqtt5":
                host, port = self._at_broker
                topic = f"{self._prefix}/{{SaleID}}/{{POIID}}"
                section |= {
                    "host": host,
                    "port": port,
                    "version": "5" if transport == "mqtt5" else "3.1.1",
                    "to_poi": f"{topic}/to-poi",
                    "to_sale": f"{topic}/to-sale",
                    "status": f"{self._prefix}/status/{{POIID}}",
                    "owner": f"{self._prefix}/owner/{{POIID}}",
                    "bridge": f"{self._prefix}/bridge/{{bridge}}",
                }
            case _:
                section["port"] = 0
        return section

    def wire(
        self,
        transport: Transport,
        pair: Pair,
        addresses: Mapping[str, tuple[str, int]],
        written: Callable[[], Mapping[str, int]],
    ) -> Wire:
        """One to the bridge, not yet connected.

        Args:
            transport: which way; it must ``lead`` there.
            pair: of the POS that speaks through it.
            addresses: where the bridge listens, by the names of its ready line.
            written: what the bridge of the moment has written until now, see ``Wire.behind``.
        """
        address = addresses[KINDS[transport]]
        match transport:
            case "http":
                return HttpWire(address, (HOST, self._ears[pair[0]]), self._changed)
            case "tls":
                return LineWire(transport, address, self._trusted)
            case "mqtt3" | "mqtt5":
                return MqttWire(transport, self._at_broker, prefix=self._prefix, written=written, pair=pair)
            case _:
                return LineWire(transport, address)


def free_port() -> int:
    """A port of this machine that nobody listens on now.

    It is below those that the kernel gives to connections (from 32768 on), so none takes it before it is used.
    """
    while True:
        port = 10_000 + secrets.randbelow(22_000)
        with socket.socket() as plain, contextlib.suppress(OSError):
            plain.bind((HOST, port))
            return port
