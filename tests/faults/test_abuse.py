"""H23, H25, H27: what one peer does to a port takes nothing from another POS, over TCP and over TLS.

By order of events, not by a watch; how long the other POS waits is measured by ``python -m tests.bench.abuse``.
"""

from __future__ import annotations

import asyncio
import resource
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.adapters.tcp_rig import Peer
from tests.adapters.tls_rig import Papers
from tests.faults import words
from tests.faults.stage import POIID, Stage, Till, stage

OTHER = "POI00002"
OVER = pytest.mark.parametrize("over", ["tcp", "tls"])


@pytest.fixture(autouse=True)
def _many_connections() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@dataclass
class Port:
    """A port under attack, and a POS that has business there."""

    it: Stage
    till: Till
    address: tuple[str, int]
    tls: ssl.SSLContext | None
    peers: list[Peer] = field(default_factory=list)

    async def connect(self) -> Peer:
        host, port = self.address
        name = "localhost" if self.tls else None
        peer = Peer(*await asyncio.open_connection(host, port, ssl=self.tls, server_hostname=name))
        self.peers.append(peer)
        return peer

    async def raw(self) -> Peer:
        """Without TLS, whatever the port wants."""
        peer = Peer(*await asyncio.open_connection(*self.address))
        self.peers.append(peer)
        return peer

    @property
    def connections(self) -> int:
        return sum(state.connections for state in self.it.app.listener_states())


@asynccontextmanager
async def port(
    over: str, folder: Path, *, hasten: Callable[[str], str] = str, **limits: float
) -> AsyncIterator[Port]:
    papers = Papers(folder)
    papers.issue("bridge")
    limits = {"max_connections": 2048, "max_connections_per_address": 2048} | limits
    lines = "port = 0\n" + "".join(f"{name} = {value}\n" for name, value in limits.items())
    tls = f'[[listen]]\nkind = "tls"\ncertificate = "bridge.pem"\nkey = "bridge.key"\n{lines}'

    def edit(text: str) -> str:
        return hasten(text.replace("port = 0\n", lines, 1) + tls)

    async with stage(folder, terminals=2, edit=edit) as it:
        it.exact = False
        context = papers.client() if over == "tls" else None
        found = next(state.address for state in it.app.listener_states() if state.kind == over)
        host, _, number = found.rpartition(":")
        till = await it.till("KASSE2", OTHER, tls=context)
        await till.login()
        made = Port(it, till, (host, int(number)), context)
        try:
            yield made
        finally:
            for peer in made.peers:
                peer.writer.transport.abort()


async def at_once(count: int, make: Callable[[], Awaitable[Peer]]) -> list[Peer]:
    """So many, fifty at a time."""
    made: list[Peer] = []
    while len(made) < count:
        made += await asyncio.gather(*(make() for _ in range(min(50, count - len(made)))))
    return made


@OVER
async def test_h23_a_thousand_idle_connections(over: str, tmp_path: Path) -> None:
    async with port(over, tmp_path) as it:
        await at_once(1000, it.connect)
        assert it.connections >= 1000
        await it.it.usable(it.till)


@OVER
async def test_h23_slowloris_is_cut_off_and_meanwhile_another_pays(over: str, tmp_path: Path) -> None:
    async with port(over, tmp_path, frame_timeout=1.0) as it:
        slow = await at_once(50, it.connect)
        for peer in slow:
            await peer.send(b"\x00\x00\x10\x00<")
        assert (await it.till.pay("11", "12.50")).result == "Success"
        assert len(await asyncio.gather(*(peer.reader.read() for peer in slow))) == 50  # each has ended
        await it.it.usable(it.till)


async def test_h23_a_handshake_that_never_ends_is_cut_off_too(tmp_path: Path) -> None:
    def hasten(text: str) -> str:
        return text.replace('kind = "tls"\n', 'kind = "tls"\nhandshake_timeout = 1.0\n')

    async with port("tls", tmp_path, hasten=hasten) as it:
        slow = await at_once(50, it.raw)
        for peer in slow:
            await peer.send(b"\x16\x03\x01\x02\x00")
        assert (await it.till.pay("11", "12.50")).result == "Success"
        assert len(await asyncio.gather(*(peer.reader.read() for peer in slow))) == 50
        await it.it.usable(it.till)


@OVER
async def test_h23_a_storm_of_connections(over: str, tmp_path: Path) -> None:
    async with port(over, tmp_path) as it:
        over_yet = asyncio.Event()

        async def storm() -> int:
            count = 0
            while not over_yet.is_set():
                peer = await it.connect()
                it.peers.remove(peer)
                peer.writer.transport.abort()
                count += 1
            return count

        storms = [asyncio.create_task(storm()) for _ in range(20)]
        for service in ("11", "12", "13"):
            assert (await it.till.pay(service, "5.00")).result == "Success"
        over_yet.set()
        assert sum(await asyncio.gather(*storms)) > 20
        await it.it.usable(it.till)


@OVER
async def test_h25_a_peer_that_asks_and_never_reads_gets_no_more_done_and_another_pays(
    over: str, tmp_path: Path
) -> None:
    async with port(over, tmp_path) as it:
        deaf = await it.connect()
        deaf.reader._transport.pause_reading()  # type: ignore[attr-defined]  # what "never reads" means
        questions = [words.framed(words.status(str(n), "KASSE1", POIID, "815")) for n in range(3000)]
        sending = asyncio.create_task(deaf.send(b"".join(questions)))
        for service in ("11", "12", "13"):
            assert (await it.till.pay(service, "5.00")).result == "Success"
        sending.cancel()
        deaf.reset()
        await asyncio.gather(sending, return_exceptions=True)
        await it.it.usable(it.till)


@OVER
async def test_h27_ten_thousand_requests_in_one_go(over: str, tmp_path: Path) -> None:
    async with port(over, tmp_path) as it:
        flood = await it.connect()
        requests = [words.framed(words.status(str(n), "KASSE1", POIID, "815")) for n in range(10_000)]
        sending = asyncio.create_task(flood.send(b"".join(requests)))
        await flood.receive()
        asked, at = it.it.reached["Arrived.taken"], it.it.reached["Reply.written"]
        assert asked < 10_000
        answer = await it.till.status("11")
        assert answer.condition == "NotFound"
        assert it.it.reached["Reply.written"] - at < 5_000, "it was served behind the flood"
        sending.cancel()
        flood.reset()
        await asyncio.gather(sending, return_exceptions=True)
        await it.it.usable(it.till)
