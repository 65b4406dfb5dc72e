"""A program at the broker that is no bridge: a till, a second bridge, somebody who should not be there."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.broker import Broker

PATIENCE = 20.0
_NAMES = itertools.count(1)


def properties(**named: Any) -> Properties:
    """Properties of a publication (MQTT 5)."""
    made = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho has no types there
    for name, value in named.items():
        setattr(made, name, value)
    return made


@dataclass
class Peer:
    """One connection; what it subscribed to is heard in order."""

    client: aiomqtt.Client

    async def subscribe(self, *topics: str) -> None:
        for topic in topics:
            await self.client.subscribe(topic, qos=1)

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, **named: Any
    ) -> None:
        """Returns once the broker has it."""
        more = properties(**named) if named else None
        await self.client.publish(topic, payload, qos=qos, retain=retain, properties=more)

    async def hear(self) -> aiomqtt.Message:
        """The next message."""
        async with asyncio.timeout(PATIENCE):
            return await anext(self.client.messages)


@asynccontextmanager
async def peer(
    broker: Broker,
    *topics: str,
    version: Literal["5", "3.1.1"] = "5",
    client_id: str = "",
    kept: bool = False,
    **words: Any,
) -> AsyncIterator[Peer]:
    """Somebody connected and subscribed. ``kept``: its session outlives the connection."""
    modern = version == "5"
    if modern and kept:
        session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # as above
        session.SessionExpiryInterval = 3600
        words |= {"clean_start": False, "properties": session}
    elif not modern:
        words["clean_session"] = not kept
    client = aiomqtt.Client(
        "127.0.0.1",
        broker.port,
        identifier=client_id or f"peer-{next(_NAMES)}",
        protocol=aiomqtt.ProtocolVersion.V5 if modern else aiomqtt.ProtocolVersion.V311,
        **words,
    )
    async with client:
        made = Peer(client)
        await made.subscribe(*topics)
        yield made
