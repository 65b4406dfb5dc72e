"""H23, H25, H27: what one peer does to a port takes nothing from another POS, over TCP and over TLS.

By order of events, not by a watch; how long the other POS waits is measured by ``python -m tests.bench.abuse``.
"""

from __future__ import annotations

import asyncio
import itertools
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
from tests.faults.stage import POIID, TAKEN, Stage, Till, stage

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
    services: Iterator[int] = field(default_factory=lambda: itertools.count(100))

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

    async def served(self) -> None:
        """The POS asks and gets its answer, in whatever time that takes."""
        service = str(next(self.services))
        self.till.writer.write(words.framed(words.status(service, self.till.sale, self.till.poi, "815")))
        answer = await self.till.answers.get()
        assert answer is not None
        assert (answer.service, answer.condition) == (service, "NotFound")

    async def over(self) -> None:
        """The attackers leave, nothing of them is left behind, and the POS's next customer pays."""
        for peer in self.peers:
            peer.writer.transport.abort()
        while self.connections > 1:
            await self.served()
        self.it.expected = sum(self.it.reached[name] for name in TAKEN)
        await self.it.usable(self.till)


@asynccontextmanager
async def port(
    over: str, folder: Path, *, handshake_timeout: float = 10.0, **limits: float
) -> AsyncIterator[Port]:
    papers = Papers(folder)
    papers.issue("bridge")
    limits = {"max_connections": 2048, "max_connections_per_address": 2048} | limits
    lines = "port = 0\n" + "".join(f"{name} = {value}\n" for name, value in limits.items())
    tls = f'[[listen]]\nkind = "tls"\ncertificate = "bridge.pem"\nkey = "bridge.key"\n{lines}'
    tls += f"handshake_timeout = {handshake_timeout}\n"

    def edit(text: str) -> str:
        return text.replace("port = 0\n", lines, 1) + tls

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
        while it.connections < 1001:  # noqa: ASYNC110 - taken a few at a time, and nobody is told
            await asyncio.sleep(0)
        await it.served()
        await it.over()


@OVER
async def test_h23_slowloris_is_cut_off_and_meanwhile_another_is_served(over: str, tmp_path: Path) -> None:
    async with port(over, tmp_path, frame_timeout=1.0) as it:
        slow = await at_once(50, it.connect)
        for peer in slow:
            await peer.send(b"\x00\x00\x10\x00<")
        await it.served()
        assert len(await asyncio.gather(*(peer.reader.read() for peer in slow))) == 50  # each has ended
        await it.over()


async def test_h23_a_handshake_that_never_ends_is_cut_off_too(tmp_path: Path) -> None:
    async with port("tls", tmp_path, handshake_timeout=1.0) as it:
        slow = await at_once(50, it.raw)
        for peer in slow:
            await peer.send(b"\x16\x03\x01\x02\x00")
        await it.served()
        assert len(await asyncio.gather(*(peer.reader.read() for peer in slow))) == 50
        await it.over()


@OVER
async def test_h23_a_storm_of_connections(over: str, tmp_path: Path) -> None:
    async with port(over, tmp_path) as it:
        enough = asyncio.Event()

        async def storm() -> int:
            count = 0
            while not enough.is_set():
                peer = await it.connect()
                it.peers.remove(peer)
                peer.writer.transport.abort()
                count += 1
            return count

        storms = [asyncio.create_task(storm()) for _ in range(20)]
        for _ in range(10):
            await it.served()
        enough.set()
        assert sum(await asyncio.gather(*storms)) >= 20
        await it.over()


@OVER
@pytest.mark.parametrize("reads", [True, False])
async def test_h25_h27_ten_thousand_requests_in_one_go(over: str, reads: bool, tmp_path: Path) -> None:
    """Whether the peer reads the answers or not: another is served long before all of them are."""
    async with port(over, tmp_path) as it:
        flood = await it.connect()
        if not reads:
            flood.reader._transport.pause_reading()  # type: ignore[attr-defined]  # what "never reads" means
        questions = [words.framed(words.status(str(n), "KASSE1", POIID, "815")) for n in range(10_000)]
        sending = asyncio.create_task(flood.send(b"".join(questions)))
        await it.it.until(lambda: it.it.reached["Arrived.taken"] > 50)
        for _ in range(3):
            await it.served()
        assert it.it.reached["Arrived.taken"] < 5_000
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await it.over()


@OVER
async def test_h20_messages_of_no_length_without_end(over: str, tmp_path: Path) -> None:
    async with port(over, tmp_path) as it:
        flood = await it.connect()
        flood.reader._transport.pause_reading()  # type: ignore[attr-defined]  # as above
        await flood.send(b"\x00\x00\x00\x00" * 10_000)
        await it.it.until(lambda: it.it.reached["Unreadable.taken"] > 50)
        for _ in range(3):
            await it.served()
        assert it.it.reached["Unreadable.taken"] < 1_000
        await it.over()


@OVER
async def test_h25_many_peers_that_ask_without_end_are_not_before_one_that_asks_now_and_then(
    over: str, tmp_path: Path
) -> None:
    """Counted in messages: while the other waits for its answer, fewer of theirs are taken than there are of them."""
    async with port(over, tmp_path) as it:
        floods = await at_once(20, it.connect)

        async def ask(peer: Peer) -> None:
            for number in itertools.count():
                await peer.send(words.framed(words.status(str(number), "KASSE1", POIID, "815")))

        async def read(peer: Peer) -> None:
            while await peer.reader.read(1 << 16):
                pass

        def at_work(since: int) -> Callable[[], bool]:
            return lambda: it.it.reached["Arrived.taken"] > since + 60

        busy = [asyncio.create_task(work(peer)) for peer in floods for work in (ask, read)]
        taken, meanwhile = 0, 0
        for _ in range(10):
            await it.it.until(at_work(taken))
            before = it.it.reached["Arrived.taken"]
            await it.served()
            taken = it.it.reached["Arrived.taken"]
            meanwhile += taken - before
        assert meanwhile < 10 * len(floods)
        for one in busy:
            one.cancel()
        await asyncio.gather(*busy, return_exceptions=True)
        await it.over()
