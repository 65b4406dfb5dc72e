"""The bridge calls a POS that listens, and keeps calling."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from nexo_bridge.adapters.dial import DialListener
from nexo_bridge.adapters.dial_settings import DialListen
from nexo_bridge.adapters.timer import HandTimer
from nexo_bridge.errors import ConfigurationError
from nexo_bridge.nexo.framing import frame
from tests.adapters.tcp_rig import Peer, Recorder, request, response
from tests.adapters.tls_rig import Papers


@dataclass
class Pos:
    """A POS that listens, when it is switched on."""

    port: int = 0
    tls: ssl.SSLContext | None = None
    calls: asyncio.Queue[Peer] = field(default_factory=asyncio.Queue)
    server: asyncio.Server | None = None
    peers: list[Peer] = field(default_factory=list)

    async def on(self) -> None:
        self.server = await asyncio.start_server(self._called, "127.0.0.1", self.port, ssl=self.tls)
        self.port = self.server.sockets[0].getsockname()[1]

    async def off(self) -> None:
        if self.server is not None:
            self.server.close()
            await self.server.wait_closed()
            self.server = None
        for peer in self.peers:
            peer.writer.transport.abort()
        self.peers.clear()

    def _called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        self.peers.append(peer)
        self.calls.put_nowait(peer)


@dataclass
class Rig:
    pos: Pos
    listener: DialListener
    intake: Recorder
    timer: HandTimer


@asynccontextmanager
async def dialling(
    *, on: bool = True, tls: ssl.SSLContext | None = None, **settings: Any
) -> AsyncIterator[Rig]:
    pos, intake, timer = Pos(tls=tls), Recorder(), HandTimer()
    await pos.on()
    if not on:
        await pos.off()
    section = DialListen(
        kind="dial", **{"host": "127.0.0.1", "port": pos.port, "tls": tls is not None} | settings
    )
    listener = await asyncio.to_thread(DialListener, section, intake, timer=timer, chance=lambda: 1.0)
    assert await listener.start() == ""
    try:
        yield Rig(pos, listener, intake, timer)
    finally:
        await listener.close()
        await pos.off()


async def test_messages_go_both_ways_as_if_the_pos_had_called() -> None:
    async with dialling() as rig:
        peer = await rig.pos.calls.get()
        await peer.send(frame(request()))
        source, data = await rig.intake.frames.get()
        assert (source.transport, source.connection[:5], data) == ("dial", "dial-", request())
        assert rig.listener.is_open(source)
        assert await rig.listener.write(source, response())
        assert await peer.receive() == response()
        state = rig.listener.state()
        assert (state.kind, state.address, state.up, state.connections, state.problem) == (
            "dial",
            f"127.0.0.1:{rig.pos.port}",
            True,
            1,
            None,
        )


async def test_a_pos_that_is_not_there_is_called_ever_more_rarely_until_it_is() -> None:
    with capture_logs() as records:
        async with dialling(on=False, retry_first=1, retry_longest=4) as rig:
            for pause in (1, 2, 4, 4):
                await rig.timer.waits(pause)
                state = rig.listener.state()
                assert not state.up
                assert state.problem == "the POS is not reached: connection refused"
                rig.timer.advance(pause)
            await rig.timer.waits(4)
            await rig.pos.on()
            rig.timer.advance(4)
            peer = await rig.pos.calls.get()
            await peer.send(frame(request()))
            await rig.intake.frames.get()
            assert rig.listener.state().problem is None
    told = [one["event"] for one in records if one["event"].startswith("pos ")]
    assert told == ["pos not connected", "pos connected", "pos connection ended"]


async def test_a_connection_that_ends_is_made_anew_and_is_another() -> None:
    async with dialling() as rig:
        peer = await rig.pos.calls.get()
        await peer.send(frame(request()))
        first, _ = await rig.intake.frames.get()
        rig.timer.advance(3600)
        peer.reset()
        assert await rig.intake.ends.get() == first
        await rig.timer.waits(1)
        assert not rig.listener.is_open(first)
        assert not await rig.listener.write(first, response())
        rig.timer.advance(1)
        peer = await rig.pos.calls.get()
        await peer.send(frame(request()))
        second, _ = await rig.intake.frames.get()
        assert second != first


async def test_a_pos_that_hangs_up_at_once_is_not_called_in_a_circle() -> None:
    async with dialling() as rig:
        for pause in (1, 2, 4):
            (await rig.pos.calls.get()).writer.transport.abort()
            await rig.timer.waits(pause)
            rig.timer.advance(pause)
        await rig.pos.calls.get()


async def test_there_is_one_connection_alone() -> None:
    async with dialling() as rig:
        await rig.pos.calls.get()
        rig.timer.advance(1000)
        await asyncio.sleep(0)
        assert rig.pos.calls.empty()


async def test_a_name_nobody_knows_is_a_sentence() -> None:
    async with dialling(host="till.invalid") as rig:
        await rig.timer.waits(1)
        assert rig.listener.state().problem == "the POS is not reached: its name is not known"


async def test_a_pos_that_does_not_answer_is_given_up_in_time() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)  # room for one that nobody accepts
        with socket.create_connection(full.getsockname()):
            async with dialling(port=full.getsockname()[1], connect_timeout=5) as rig:
                await rig.timer.waits(5)
                rig.timer.advance(5)
                await rig.timer.waits(1)
                assert rig.listener.state().problem == "the POS did not answer within 5 s"


async def test_no_tls_in_time_is_given_up(tmp_path: Path) -> None:
    calls: asyncio.Queue[Peer] = asyncio.Queue()
    server = await asyncio.start_server(lambda *both: calls.put_nowait(Peer(*both)), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, dialling(on=False, tls=serving(Papers(tmp_path)), port=port, connect_timeout=5) as rig:
        peer = await calls.get()
        assert await peer.reader.read(1) == b"\x16"
        await rig.timer.waits(5)
        rig.timer.advance(5)
        await rig.timer.waits(1)
        assert rig.listener.state().problem == "no TLS handshake within 5 s"
        peer.writer.transport.abort()


async def test_after_stop_accepting_it_is_not_called_again_and_what_stands_goes_on() -> None:
    async with dialling() as rig:
        peer = await rig.pos.calls.get()
        await peer.send(frame(request()))
        source, _ = await rig.intake.frames.get()
        rig.listener.stop_accepting()
        assert await rig.listener.write(source, response())
        assert await peer.receive() == response()
        peer.reset()
        await rig.intake.ends.get()
        await rig.timer.waits(1)
        rig.timer.advance(1)
        await asyncio.sleep(0.0)
        assert rig.pos.calls.empty()


async def test_stop_accepting_ends_a_pause() -> None:
    async with dialling(on=False) as rig:
        await rig.timer.waits(1)
        rig.listener.stop_accepting()
        await rig.listener.close()
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("dial ")]


# -- TLS -----------------------------------------------------------------------------------------------------------


def serving(papers: Papers, *names: str, ask: bool = False) -> ssl.SSLContext:
    """What a POS listens with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*papers.issue("till", *(names or ("till.example",))))
    if ask:
        context.load_verify_locations(papers.ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def test_tls_the_pos_proves_who_it_is_and_its_certificate_is_told_with_each_message(
    tmp_path: Path,
) -> None:
    papers = Papers(tmp_path)
    tls = serving(papers)
    async with dialling(tls=tls, ca=papers.ca, server_name="till.example") as rig:
        peer = await rig.pos.calls.get()
        await peer.send(frame(request()))
        source, _ = await rig.intake.frames.get()
        assert await rig.listener.write(source, response())
        assert await peer.receive() == response()
        assert rig.intake.speakers[0].certificate == papers.fingerprint("till")


@pytest.mark.parametrize("name", ["other.example", None])
async def test_tls_another_name_is_refused(name: str | None, tmp_path: Path) -> None:
    papers = Papers(tmp_path)
    async with dialling(tls=serving(papers), ca=papers.ca, server_name=name) as rig:
        await rig.timer.waits(1)
        assert "certificate is refused" in str(rig.listener.state().problem)
        assert not rig.listener.state().up


async def test_tls_another_authority_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stranger = Papers(tmp_path / "other")
    async with dialling(tls=serving(Papers(tmp_path)), ca=stranger.ca, server_name="till.example") as rig:
        await rig.timer.waits(1)
        assert "certificate is refused" in str(rig.listener.state().problem)


async def test_tls_a_pos_that_asks_is_shown_our_certificate_as_it_is_then(tmp_path: Path) -> None:
    papers = Papers(tmp_path)
    certificate, key = papers.issue("bridge", "bridge.example")
    section: dict[str, Any] = {
        "ca": papers.ca,
        "server_name": "till.example",
        "certificate": certificate,
        "key": key,
    }
    async with dialling(tls=serving(papers, ask=True), **section) as rig:
        peer = await rig.pos.calls.get()
        first = peer.writer.get_extra_info("peercert")["serialNumber"]
        assert rig.listener.state().certificate_days == 364
        rig.timer.advance(3600)
        papers.issue("bridge", "bridge.example")
        peer.writer.transport.abort()
        await rig.timer.waits(1)
        rig.timer.advance(1)
        peer = await rig.pos.calls.get()
        second = peer.writer.get_extra_info("peercert")["serialNumber"]
        assert second != first
        await asyncio.to_thread(key.write_text, "wrong")
        rig.timer.advance(3600)
        with capture_logs() as records:
            peer.writer.transport.abort()
            await rig.timer.waits(1)
            rig.timer.advance(1)
            peer = await rig.pos.calls.get()
        assert peer.writer.get_extra_info("peercert")["serialNumber"] == second
        assert [one["event"] for one in records if one["log_level"] == "warning"] == [
            "certificate of a listener"
        ]
        assert "is not a usable PEM key" in str(rig.listener.state().problem)


def test_files_that_cannot_be_used_stop_the_start(tmp_path: Path) -> None:
    wrong = tmp_path / "ca.pem"
    wrong.write_text("wrong")
    section = DialListen(kind="dial", host="till", port=7001, tls=True, ca=wrong)
    with pytest.raises(ConfigurationError, match=r"^listen\[2\]\.ca: .* holds no PEM certificates"):
        DialListener(section, Recorder(), setting="listen[2]")
