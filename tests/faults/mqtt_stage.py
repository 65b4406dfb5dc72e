"""Bridges as processes, a real broker, a platform, and tills with sessions of their own: nothing in between is ours."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import aiomqtt

from nexo_bridge.adapters.journal_reader import JournalReader
from nexo_bridge.adapters.sealing import Keys
from nexo_bridge.sandbox.server import Options, Sandbox
from tests.broker import Broker
from tests.faults import words
from tests.faults.daemon import ROOT, environment
from tests.faults.words import Answer
from tests.mqtt_peer import Peer, peer

PATIENCE = 40.0
POIID = "POI00001"
SECONDS = """
[deadlines]
platform_limit = 12
customer_time = 14
answer_by = 30
pos_timeout = 40
"""


@dataclass
class Bridge:
    """One process."""

    process: asyncio.subprocess.Process

    async def ready(self) -> None:
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            assert b'"mqtt"' in await self.process.stdout.readline()

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()


@dataclass
class Till:
    """A POS: its session is kept by the broker, what it hears it remembers by ServiceID."""

    broker: Broker
    sale: str
    poi: str = POIID
    version: Literal["5", "3.1.1"] = "5"
    heard: defaultdict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def topic(self) -> str:
        return f"nexo/{self.sale}/{self.poi}"

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Peer]:
        async with peer(
            self.broker, f"{self.topic}/to-sale", version=self.version, client_id=self.sale, kept=True
        ) as one:
            yield one

    async def listen(self) -> None:
        """Hear, through whatever happens to the broker, until cancelled."""
        while True:
            with contextlib.suppress(aiomqtt.MqttError):
                async with self.connected() as one:
                    while True:
                        message = await anext(one.client.messages)
                        data = bytes(message.payload)
                        self.heard[Answer(data).service or ""].append(data)
                        self.news.set()
            await asyncio.sleep(0.05)  # a till tries again; nothing is judged by how long

    async def send(self, message: bytes) -> None:
        """Publish, again and again until the broker says that it has it."""
        while True:
            with contextlib.suppress(aiomqtt.MqttError):
                async with peer(self.broker, version=self.version) as one:
                    await one.publish(f"{self.topic}/to-poi", message)
                    return
            await asyncio.sleep(0.05)  # as above

    async def pay(self, service: str, amount: str) -> None:
        await self.send(words.payment(service, self.sale, self.poi, amount))

    async def answer(self, service: str, *, times: int = 1) -> Answer:
        """The answer to a request, heard so often; it is the same each time."""
        async with asyncio.timeout(PATIENCE):
            while len(self.heard[service]) < times:
                self.news.clear()
                await self.news.wait()
        assert len(set(self.heard[service])) == 1, self.heard[service]
        return Answer(self.heard[service][0])


@dataclass
class MqttStage:
    broker: Broker
    sandbox: Sandbox
    config: Path

    @asynccontextmanager
    async def bridge(self, point: str = "none") -> AsyncIterator[Bridge]:
        """A bridge that is killed at ``point``, or at the end."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.faults.mqtt_victim",
            str(self.config),
            point,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment(),
            cwd=ROOT,
        )
        made = Bridge(process)
        try:
            await made.ready()
            yield made
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    async def served(self, poi: str = POIID) -> None:
        """Wait until a bridge serves the terminal."""
        async with peer(self.broker, f"nexo/status/{poi}") as one:
            while b'"online"' not in bytes((await one.hear()).payload):
                pass

    @asynccontextmanager
    async def till(self, sale: str = "KASSE1", poi: str = POIID, **more: Any) -> AsyncIterator[Till]:
        made = Till(self.broker, sale, poi, **more)
        async with made.connected():
            pass  # its session is there from now on
        listening = asyncio.create_task(made.listen())
        try:
            yield made
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def agreed(self, *answers: Answer) -> None:
        """I1, I2, I3, I5: tills and journal say what the platform's own ledger says."""
        rows = self.sandbox.ledger()
        keys = [row["clientTransactionId"] for row in rows]
        assert len(keys) == len(set(keys)), "a create was sent twice"
        assert all(row["charges"] <= 1 for row in rows)
        charged = sorted(row["amount"] for row in rows if row["charges"])
        told = sorted(round(float(one.amount or 0) * 100) for one in answers if one.result == "Success")
        assert told == charged
        assert sorted(await asyncio.to_thread(self._settled)) == sorted(
            row["clientTransactionId"] for row in rows if row["charges"]
        )

    def _settled(self) -> list[str]:
        """Keys of what the journal holds as paid."""
        folder = self.config.parent
        asked: dict[str | None, str] = {}
        paid: list[str] = []
        with JournalReader(folder / "journal.sqlite", Keys.load(folder / "journal.key")) as reader:
            for entry in reader.entries():
                if entry.name == "Asking":
                    asked[entry.exchange] = entry.body["key"]
                elif entry.name == "Settled" and entry.body["result"] == "Success":
                    paid.append(asked[entry.exchange])
        return paid


@asynccontextmanager
async def mqtt_stage(
    broker: Broker, folder: Path, *, terminals: int = 1, version: str = "5", more: str = ""
) -> AsyncIterator[MqttStage]:
    """``more``: further settings of the listener."""
    await asyncio.to_thread(folder.mkdir)
    options = Options(state=folder, think=0.05, seed=7, terminals=terminals, mqtt=("127.0.0.1", broker.port))
    async with Sandbox(options) as sandbox:
        text = sandbox.config_path.read_text(encoding="utf-8")
        text = text.replace(f"port = {broker.port}", f'port = {broker.port}\nversion = "{version}"\n{more}')
        config = folder / "tested.toml"
        config.write_text(f"login_required = false\n{text}{SECONDS}", encoding="utf-8")
        yield MqttStage(broker, sandbox, config)
