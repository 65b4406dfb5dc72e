"""One connection to an MQTT broker, with acknowledgements in our own hands: the only module that knows aiomqtt.

aiomqtt 2 acknowledges a message before the application sees it. paho, below it, can leave that to us; that is reached
through private names, so the dependency is pinned and nothing of it leaves this module (``tests/adapters/test_mqtt.py``
proves with a broker that nothing is acknowledged by itself).
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Literal, Self

import aiomqtt
from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

CONNECT_PATIENCE: Final = 10.0
"""Seconds the broker has for each of connecting, subscribing and parting."""
FAILURE: Final = 0x80
"""Reason codes from here on are refusals (MQTT 5, 2.4)."""
MOST_FIELDS: Final = 128 * 1024
"""Bytes that a packet may have beside its payload: topic, properties."""

_quiet = logging.getLogger("nexo_bridge.mqtt.paho")
_quiet.setLevel(logging.CRITICAL + 1)  # it logs topics and properties
_quiet.propagate = False


class LinkLost(Exception):
    """The connection cannot be made or is over; the text is one phrase for people."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What came in.

    Attributes:
        packet: to be given to ``Link.ack``; 0 where there is nothing to acknowledge.
        retained: the broker had kept it.
        response: MQTT 5 response topic.
        correlation: MQTT 5 correlation data.
        sent_at: value of the MQTT 5 user property of that name.
    """

    topic: str
    payload: bytes
    packet: int
    retained: bool = False
    response: str = ""
    correlation: bytes = b""
    sent_at: str = ""


@dataclass(frozen=True, slots=True)
class Access:
    """How a broker is reached, and as whom."""

    host: str
    port: int
    version: Literal["5", "3.1.1"]
    client_id: str
    username: str = ""
    password: str = field(default="", repr=False)
    context: ssl.SSLContext | None = None
    websocket_path: str = ""
    keepalive: int = 30
    session_expiry: int = 604800
    largest: int = 1 << 20


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes, retained, when this connection is lost."""

    topic: str
    payload: bytes


class _Client(aiomqtt.Client):
    """aiomqtt's client, told what it does not tell."""

    def __init__(self, receive: Callable[[Publication], None], *words: Any, **more: Any) -> None:
        super().__init__(*words, **more)
        self._receive = receive
        self.session_present = False
        self.answers: dict[int, asyncio.Future[int]] = {}
        self._client.manual_ack_set(True)

    def _on_connect(
        self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None
    ) -> None:
        self.session_present = bool(flags.session_present)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: Any, properties: Any) -> None:
        answer = self.answers.pop(mid, None)
        if answer is None:
            super()._on_publish(client, userdata, mid, reason_code, properties)
        elif not answer.done():
            answer.set_result(int(reason_code.value))

    def _on_message(self, client: Any, userdata: Any, message: paho.MQTTMessage) -> None:  # noqa: ARG002 - paho's signature
        properties = message.properties
        fields = dict(getattr(properties, "UserProperty", ()) or ())
        self._receive(
            Publication(
                topic=message.topic,
                payload=bytes(message.payload),
                packet=message.mid if message.qos else 0,
                retained=bool(message.retain),
                response=str(getattr(properties, "ResponseTopic", "") or ""),
                correlation=bytes(getattr(properties, "CorrelationData", b"") or b""),
                sent_at=str(fields.get("sent-at", "")),
            )
        )

    def let_go(self) -> None:
        """Nothing of this connection stays, however it ended."""
        for answer in self.answers.values():
            answer.cancel()
        self.answers.clear()
        for ended in (self._connected, self._disconnected):
            if ended.done() and not ended.cancelled():
                ended.exception()  # seen, so that nobody is warned that it was not
        with suppress(Exception):
            self._client._sock_close()  # noqa: SLF001 - a connection attempt that failed leaves its socket open


class Link:
    """One connection, from ``async with`` to its end. Every method raises ``LinkLost`` once it is over.

    Args:
        access: how and as whom.
        will: left with the broker.
        receive: takes what comes, in order, in the event loop; it must be quick.

    Attributes:
        session_present: the broker kept our session, with its subscriptions and what waited in it.
    """

    def __init__(self, access: Access, will: Will, receive: Callable[[Publication], None]) -> None:
        modern = access.version == "5"
        properties = None
        if modern:
            properties = _properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = access.session_expiry
            properties.MaximumPacketSize = access.largest + MOST_FIELDS
        kept: dict[str, Any] = (
            {"clean_start": False, "properties": properties} if modern else {"clean_session": False}
        )
        self._modern = modern
        self._client = _Client(
            receive,
            access.host,
            access.port,
            identifier=access.client_id,
            username=access.username or None,
            password=access.password or None,
            logger=_quiet,
            protocol=aiomqtt.ProtocolVersion.V5 if modern else aiomqtt.ProtocolVersion.V311,
            will=aiomqtt.Will(will.topic, will.payload, qos=1, retain=True),
            transport="websockets" if access.websocket_path else "tcp",
            websocket_path=access.websocket_path or None,
            tls_context=access.context,
            timeout=CONNECT_PATIENCE,
            keepalive=access.keepalive,
            max_inflight_messages=1000,  # we count ourselves; above it paho would queue
            **kept,
        )

    @property
    def session_present(self) -> bool:
        """See the class."""
        return self._client.session_present

    async def __aenter__(self) -> Self:
        try:
            await _unless_cancelled(self._client.__aenter__())
        except (aiomqtt.MqttError, OSError, ValueError) as failed:
            self._client.let_go()
            raise LinkLost(f"the broker cannot be reached or refuses us ({_why(failed)})") from None
        except BaseException:
            self._client.let_go()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(aiomqtt.MqttError, OSError):
            await self._client.__aexit__(None, None, None)
        self._client.let_go()

    async def subscribe(self, topics: Iterable[str], *, qos: int, again: bool) -> dict[str, int]:
        """Subscribe to each; the reason code each was answered with, refusals from ``FAILURE`` on.

        Args:
            topics: filters.
            qos: wanted.
            again: retained messages are wanted even if the subscription is not new (MQTT 5; always so before).
        """
        wanted = list(topics)
        if not wanted:
            return {}
        handling = (
            SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE if again else SubscribeOptions.RETAIN_SEND_IF_NEW_SUB
        )
        each: Any = (
            [
                (one, SubscribeOptions(qos=qos, retainAsPublished=True, retainHandling=handling))
                for one in wanted
            ]
            if self._modern
            else [(one, qos) for one in wanted]
        )
        codes = await self._asked(self._client.subscribe(each))
        return {one: int(getattr(code, "value", code)) for one, code in zip(wanted, codes, strict=True)}

    async def unsubscribe(self, topics: Iterable[str]) -> None:
        """Hear no more of these."""
        wanted = list(topics)
        if wanted:
            await self._asked(self._client.unsubscribe(wanted))

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        correlation: bytes = b"",
        content_type: str = "",
    ) -> asyncio.Future[int]:
        """Publish in the order of the calls; the future has the broker's reason code, 0 before MQTT 5."""
        properties = None
        if self._modern:
            properties = _properties(PacketTypes.PUBLISH)
            if content_type:
                properties.ContentType = content_type
                properties.PayloadFormatIndicator = 1
            if correlation:
                properties.CorrelationData = correlation
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        try:
            info = self._client._client.publish(topic, payload, qos, retain, properties)  # noqa: SLF001 - see the module
        except (ValueError, OSError) as failed:
            raise LinkLost(f"publishing failed ({_why(failed)})") from None
        if info.rc != paho.MQTT_ERR_SUCCESS:
            raise LinkLost("the connection to the broker is lost")
        if qos:
            self._client.answers[info.mid] = answer
        else:
            answer.set_result(0)
        return answer

    def ack(self, packet: int) -> None:
        """Acknowledge what came as ``packet`` on this connection."""
        if packet:
            with suppress(OSError, ValueError):
                self._client._client.ack(packet, 1)  # noqa: SLF001 - see the module

    async def lost(self) -> None:
        """Wait until the connection is over; always raises ``LinkLost``."""
        ended = self._client._disconnected  # noqa: SLF001 - see the module
        await asyncio.wait({ended})
        raise LinkLost("the connection to the broker is lost")

    async def _asked(self, question: Any) -> Any:
        try:
            return await _unless_cancelled(question)
        except (aiomqtt.MqttError, OSError, ValueError) as failed:
            raise LinkLost(f"the broker does not answer ({_why(failed)})") from None


async def _unless_cancelled(question: Awaitable[Any]) -> Any:
    """``await question``, where ``asyncio.wait_for`` of Python 3.11 forgets a cancellation that meets the answer."""
    task = asyncio.current_task()
    assert task is not None, "coroutines run in tasks here"
    before = task.cancelling()
    answer = await question
    if task.cancelling() > before:
        raise asyncio.CancelledError
    return answer


def _properties(kind: int) -> Properties:
    return Properties(kind)  # type: ignore[no-untyped-call]  # paho has no types there


def _why(failed: BaseException) -> str:
    """In few words that hold no name of a user or a topic."""
    match failed:
        case aiomqtt.MqttCodeError():
            return str(failed.rc)
        case OSError():
            return failed.strerror or type(failed).__name__
        case _:
            return str(failed)[:120] or type(failed).__name__
