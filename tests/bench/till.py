"""A till that costs little: bytes out, bytes in, and when."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from time import monotonic

from tests.bench.processes import PATIENCE
from tests.faults import words

_services = itertools.count(10)


def next_service() -> str:
    """A ServiceID that this run has not used."""
    return str(next(_services))


@dataclass(frozen=True)
class Asked:
    """One request and its answer, by the monotonic clock."""

    sent: float
    heard: float
    answer: bytes

    @property
    def well(self) -> bool:
        return b'Result="Success"' in self.answer

    @property
    def took(self) -> float:
        return self.heard - self.sent


@dataclass
class Till:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    sale: str
    poi: str

    @classmethod
    async def open(cls, address: str, sale: str, poi: str) -> Till:
        host, _, port = address.rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port)), sale, poi)

    async def ask(self, message: bytes) -> Asked:
        sent = monotonic()
        self.writer.write(words.framed(message))
        async with asyncio.timeout(PATIENCE):
            size = int.from_bytes(await self.reader.readexactly(4), "big")
            answer = await self.reader.readexactly(size)
        return Asked(sent, monotonic(), answer)

    async def login(self) -> None:
        asked = await self.ask(words.login(next_service(), self.sale, self.poi))
        assert asked.well, asked.answer

    async def pay(self) -> Asked:
        asked = await self.ask(words.payment(next_service(), self.sale, self.poi, "12.50"))
        assert asked.well, asked.answer
        return asked

    def close(self) -> None:
        self.writer.transport.abort()


async def tills(address: str, poiids: list[str]) -> list[Till]:
    """One logged-in till at each terminal."""
    opened = [await Till.open(address, f"KASSE{number}", poiid) for number, poiid in enumerate(poiids)]
    for till in opened:
        await till.login()
    return opened
