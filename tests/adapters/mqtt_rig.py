"""An MQTT listener at a real broker, an intake that remembers, and time that is moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from nexo_bridge.adapters.intake import ANYBODY, Speaker
from nexo_bridge.adapters.mqtt_listener import MqttListener
from nexo_bridge.adapters.mqtt_settings import MqttListen
from nexo_bridge.adapters.timer import HandTimer, Timer
from nexo_bridge.core.source import Source
from nexo_bridge.errors import Refusal
from tests.broker import Broker

PATIENCE = 20.0
TO_POI, TO_SALE = "nexo/KASSE1/POI1/to-poi", "nexo/KASSE1/POI1/to-sale"
NOW = 1_800_000_000.0


@dataclass
class Came:
    """One call of the intake."""

    source: Source
    data: bytes
    speaker: Speaker = ANYBODY
    ack: int | None = None
    refused: Refusal | None = None
    fault: bool = False


@dataclass
class Remembering:
    """The intake of a test."""

    came: asyncio.Queue[Came] = field(default_factory=asyncio.Queue)
    lost: list[Source] = field(default_factory=list)
    fails: bool = False

    async def frame(self, source: Source, data: bytes, **more: Any) -> None:
        if self.fails:
            raise ZeroDivisionError
        self.came.put_nowait(Came(source, data, **more))

    async def fault(self, source: Source, refusal: Refusal, start: bytes, *, ack: int | None = None) -> None:
        self.came.put_nowait(Came(source, start, ack=ack, refused=refusal, fault=True))

    def gone(self, source: Source) -> None:
        self.lost.append(source)

    async def next(self) -> Came:
        async with asyncio.timeout(PATIENCE):
            return await self.came.get()


@dataclass
class Rig:
    listener: MqttListener
    intake: Remembering
    timer: HandTimer

    async def until(self, up: bool) -> None:
        """Wait until it serves, or until it does not."""
        async with asyncio.timeout(PATIENCE):
            while self.listener.state().up is not up:
                await self.listener.turned.wait()

    async def accept(self, came: Came) -> None:
        assert came.ack is not None
        await self.listener.acknowledge(came.source, came.ack)


@asynccontextmanager
async def visiting(
    broker: Broker,
    *,
    poiids: Iterable[str] = ("POI1",),
    installation: str = "one",
    by_hand: bool = False,
    up: bool = True,
    chance: float = 0.0,
    **settings: Any,
) -> AsyncIterator[Rig]:
    """A listener that is (to be) connected; it is closed at the end."""
    intake, timer = Remembering(), HandTimer()
    listener = MqttListener(
        MqttListen.model_validate({"kind": "mqtt", "port": broker.port, **settings}),
        intake,
        installation=installation,
        poiids=poiids,
        timer=timer if by_hand else Timer(),
        chance=lambda: chance,
        wall=lambda: NOW,
    )
    rig = Rig(listener, intake, timer)
    assert await listener.start() == broker.address
    try:
        if up:
            await rig.until(up=True)
        yield rig
    finally:
        closing = asyncio.create_task(listener.close())
        while not closing.done():
            timer.advance(5.0)
            await asyncio.sleep(0)
        await closing
