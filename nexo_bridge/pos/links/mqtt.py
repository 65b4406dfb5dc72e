"""MQTT: a message is a publication, one topic to the terminal and one back, both named by SaleID and POIID.

QoS 1 both ways. The subscription stands before anything is sent, and the session is our own and ends with the
connection: two runs of a POS for one pair (a payment, and an Abort of it) do not push each other out, and what was
published while nobody listened is asked for by TransactionStatus, as over every other link.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from urllib.parse import quote

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from nexo_bridge.errors import BridgeError
from nexo_bridge.pos.links.link import (
    CONNECT,
    AnswerLost,
    Ended,
    Heard,
    Login,
    Lost,
    Mqtt,
    NothingSent,
    content_type,
)

_PUBLISH = 10.0
"""Seconds in which the broker must acknowledge what we publish."""
_AT_LEAST_ONCE = 1


class MqttLink:
    """See ``Link``.

    Args:
        host: of the broker.
        port: of the broker.
        pair: SaleID and POIID.
        version: of MQTT.
        prefix: of all topics.
        login: for a broker that wants one.
        tls: speak TLS under this context; the broker must prove to be ``host``.
        identifier: client id; None: a new one for each connection.
    """

    def __init__(
        self,
        host: str,
        port: int,
        pair: tuple[str, str],
        *,
        version: Mqtt = "5",
        prefix: str = "nexo",
        login: Login | None = None,
        tls: ssl.SSLContext | None = None,
        identifier: str | None = None,
    ) -> None:
        self._host, self._port, self._tls = host, port, tls
        self._to_poi, self._to_sale = topics(prefix, *pair)
        self._version = version
        self._login, self._identifier = login, identifier
        self._client: aiomqtt.Client | None = None
        self._goodbye = contextlib.AsyncExitStack()
        self._task: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """See ``Link``."""
        return self._client is not None

    async def connect(self, heard: Heard, ended: Ended) -> None:
        """See ``Link``."""
        await self.close()
        client = self._new_client()
        async with contextlib.AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(client)
                granted = await client.subscribe(self._to_sale, qos=_AT_LEAST_ONCE)
            except aiomqtt.MqttError as error:
                raise NothingSent(
                    f"cannot connect to {self._host} port {self._port}: {_reason(error)}"
                ) from None
            if any(code.is_failure if isinstance(code, ReasonCode) else code >= 0x80 for code in granted):
                raise NothingSent(f"the broker does not let this POS hear {self._to_sale}")
            self._goodbye = stack.pop_all()
        self._client = client
        self._task = asyncio.create_task(self._read(client, heard, ended), name="pos reader")

    async def send(self, data: bytes, lost: Lost | None) -> None:  # noqa: ARG002 - all is lost with the connection, never one
        """See ``Link``; returns when the broker has it."""
        client = self._client
        if client is None:
            raise NothingSent("the connection has ended")
        properties = None
        if self._version == "5":
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.ContentType = content_type(data)
        try:
            await client.publish(
                self._to_poi, data, qos=_AT_LEAST_ONCE, properties=properties, timeout=_PUBLISH
            )
        except aiomqtt.MqttError:
            raise AnswerLost("the connection to the broker broke while the request was sent") from None

    async def close(self) -> None:
        """See ``Link``."""
        task, self._task, self._client = self._task, None, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._part()

    async def _part(self) -> None:
        """Say goodbye, if there is still somebody to hear it."""
        with contextlib.suppress(aiomqtt.MqttError):
            await self._goodbye.aclose()

    def _new_client(self) -> aiomqtt.Client:
        five = self._version == "5"
        return aiomqtt.Client(
            self._host,
            self._port,
            username=None if self._login is None else self._login.user,
            password=None if self._login is None else self._login.password,
            identifier=self._identifier,
            protocol=aiomqtt.ProtocolVersion.V5 if five else aiomqtt.ProtocolVersion.V311,
            clean_session=None if five else True,
            timeout=CONNECT,
            tls_context=self._tls,
        )

    async def _read(self, client: aiomqtt.Client, heard: Heard, ended: Ended) -> None:
        try:
            async for publication in client.messages:
                answer = await heard(bytes(publication.payload))
                if answer is not None:
                    await self.send(answer, None)
                    if (
                        self._client is not client
                    ):  # asyncio.wait_for of Python 3.11 may swallow a cancellation
                        return
        except (aiomqtt.MqttError, BridgeError):
            pass
        self._client = None
        await self._part()
        ended()


def topics(prefix: str, sale_id: str, poi_id: str) -> tuple[str, str]:
    """Where a POS publishes, and where it listens; ids percent-encoded, since they may hold ``/``, ``+`` or blanks."""
    place = "/".join((prefix, quote(sale_id, safe=""), quote(poi_id, safe="")))
    return f"{place}/to-poi", f"{place}/to-sale"


def _reason(error: aiomqtt.MqttError) -> str:
    """What the broker or the network says; the library gives texts."""
    if isinstance(error, aiomqtt.MqttCodeError):
        return str(error.rc) if isinstance(error.rc, ReasonCode) else str(error)
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return text.partition("failed: ")[2].partition(" (_ssl")[0] or "its certificate is not trusted"
    return text.partition("] ")[2] or text
