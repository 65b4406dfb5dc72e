"""What TLS adds to a connection, and what it takes from nothing: half-closing, backpressure, counting."""

from __future__ import annotations

import asyncio
import socket
import ssl
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from structlog.testing import capture_logs

from nexo_bridge.adapters.tls import TlsListener
from nexo_bridge.adapters.tls_transport import Turns
from nexo_bridge.nexo.framing import frame
from tests.adapters.tcp_rig import request, response
from tests.adapters.tls_rig import Papers, TlsRig, encrypting

BIG = 700_000  # many TLS records, and more than one reading of the socket


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_messages_of_any_size_go_both_ways(version: ssl.TLSVersion, tmp_path: Path) -> None:
    async with encrypting(tmp_path) as rig:
        tls = rig.papers.client()
        tls.minimum_version = tls.maximum_version = version
        peer = await rig.encrypted(tls=tls)
        large = b"<a>" + bytes(range(32, 127)) * (BIG // 95) + b"</a>"
        await peer.send(frame(request()) + frame(large) + frame(b"x"))
        source, first = await rig.intake.frames.get()
        assert (source.transport, source.connection[:4], first) == ("tls", "tls-", request())
        assert await rig.intake.frames.get() == (source, large)
        assert await rig.intake.frames.get() == (source, b"x")
        writing = asyncio.create_task(rig.listener.write(source, large))
        assert await peer.receive() == large
        assert await writing


async def test_one_byte_in_each_record(tmp_path: Path) -> None:
    async with encrypting(tmp_path) as rig:
        peer = await rig.encrypted()
        for byte in frame(b"<a/>"):
            await peer.send(bytes((byte,)))
        assert (await rig.intake.frames.get())[1] == b"<a/>"


async def test_tls_1_1_is_refused_and_the_log_says_why(tmp_path: Path) -> None:
    async with encrypting(tmp_path) as rig:
        tls = rig.papers.client()
        tls.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings(action="ignore"):  # that it is old is the point
            tls.minimum_version = tls.maximum_version = ssl.TLSVersion.TLSv1_1
        with capture_logs() as records:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await rig.encrypted(tls=tls)
            await rig.intake.ends.get()
        assert [(one["event"], one["reason"]) for one in records] == [
            ("tls_handshake_failed", "the peer is too old for TLS 1.2")
        ]


async def closing(rig: TlsRig, first: bytes) -> tuple[bytes, list[dict[str, object]]]:
    """What a peer gets that begins with ``first`` instead of TLS, and what the log says."""
    with capture_logs() as records:
        peer = await rig.connect()
        await peer.send(first)
        got = await peer.reader.read()
        await rig.intake.ends.get()
    return got, [dict(one) for one in records]


async def test_h24_plain_bytes_on_the_tls_port_are_named_and_closed(tmp_path: Path) -> None:
    async with encrypting(tmp_path) as rig:
        got, records = await closing(rig, frame(request()))
        assert got == b""
        assert [(one["event"], one["protocol"]) for one in records] == [("tls_handshake_failed", "plain TCP")]
        assert rig.intake.frames.empty()
        assert rig.intake.faults.empty()


async def test_h24_http_on_the_tls_port_gets_an_answer_in_its_own_words(tmp_path: Path) -> None:
    async with encrypting(tmp_path) as rig:
        got, records = await closing(rig, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        head, _, body = got.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert b"Content-Length: %d" % len(body) in head
        assert [one["protocol"] for one in records] == ["HTTP"]


async def test_garbage_that_begins_like_tls_is_refused(tmp_path: Path) -> None:
    async with encrypting(tmp_path) as rig:
        _, records = await closing(rig, b"\x16\x03\x01\x00\x05hello")
        assert [one["event"] for one in records] == ["tls_handshake_failed"]
        await rig.encrypted()


async def test_h23_a_handshake_has_its_time_limit_whatever_progress_it_makes(tmp_path: Path) -> None:
    async with encrypting(tmp_path, handshake_timeout=5) as rig:
        with capture_logs() as records:
            peer = await rig.connect()
            await rig.timer.waits(5)
            rig.timer.advance(4)
            await peer.send(b"\x16\x03\x01")
            rig.timer.advance(1)
            assert await peer.reader.read() == b""
            await rig.intake.ends.get()
        assert [one["reason"] for one in records] == ["no TLS handshake within 5 s"]


async def test_connections_count_before_their_handshake(tmp_path: Path) -> None:
    async with encrypting(tmp_path, max_connections=1) as rig:
        await rig.connect()
        with capture_logs() as records:
            second = await rig.connect()
            assert await second.reader.read() == b""
        assert [one["event"] for one in records] == ["too_many_connections"]


async def test_a_peer_that_only_looks_is_no_news(tmp_path: Path) -> None:
    async with encrypting(tmp_path) as rig:
        with capture_logs() as records:
            peer = await rig.connect()
            peer.writer.write_eof()
            assert await peer.reader.read() == b""
            await rig.intake.ends.get()
        assert records == []


# -- an end, and half an end: with a socket that can do both -------------------------------------------------------


class Blocking:
    """A peer in a thread: Python's asyncio cannot close half of a TLS connection, others can."""

    def __init__(self, rig: TlsRig) -> None:
        plain = socket.create_connection((rig.host, rig.port))
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.plain = plain
        self.tls = rig.papers.client().wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self._run(self.tls.do_handshake)

    def _run(self, step: Callable[[], Any]) -> Any:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush()
                received = self.plain.recv(65536)
                if received:
                    self.incoming.write(received)
                else:
                    self.incoming.write_eof()
            else:
                self._flush()
                return result

    def _flush(self) -> None:
        if waiting := self.outgoing.read():
            self.plain.sendall(waiting)

    def send(self, data: bytes) -> None:
        self.tls.write(data)
        self._flush()

    def close_notify(self) -> None:
        with pytest.raises(ssl.SSLWantReadError):
            self.tls.unwrap()
        self._flush()

    def read_all(self) -> tuple[bytes, bool]:
        """Everything up to the end, and whether it ended with close_notify."""
        got = b""
        while True:
            try:
                more = self._run(lambda: self.tls.read(65536))
            except ssl.SSLEOFError:
                return got, False
            except ssl.SSLZeroReturnError:
                return got, True
            if not more:
                return got, True
            got += more


@pytest.mark.parametrize("notify", [True, False])
async def test_f16_a_half_closed_peer_gets_its_answer_and_then_the_end(notify: bool, tmp_path: Path) -> None:
    """Its close_notify, or a bare FIN: as over TCP, the answer it waits for still comes."""
    async with encrypting(tmp_path) as rig:
        peer = await asyncio.to_thread(Blocking, rig)

        def half_close() -> None:
            peer.send(frame(request()))
            if notify:
                peer.close_notify()
            else:
                peer.plain.shutdown(socket.SHUT_WR)

        await asyncio.to_thread(half_close)
        source, _ = await rig.intake.frames.get()
        await rig.timer.waits(150)
        assert rig.listener.is_open(source)
        assert await rig.listener.write(source, response())
        got, notified = await asyncio.to_thread(peer.read_all)
        assert (got, notified) == (frame(response()), True)
        await rig.intake.ends.get()
        peer.plain.close()


async def test_our_end_says_so_before_the_connection_goes(tmp_path: Path) -> None:
    async with encrypting(tmp_path, max_frame=2048) as rig:

        async def answer(source: object) -> None:
            assert await rig.listener.write(source, b"<Reject/>")  # type: ignore[arg-type]  # a Source

        rig.intake.on_fault = answer
        peer = await asyncio.to_thread(Blocking, rig)
        await asyncio.to_thread(peer.send, b"\x7f\xff\xff\xff" + b"x" * 5000)
        got, notified = await asyncio.to_thread(peer.read_all)
        assert (got, notified) == (frame(b"<Reject/>"), True)
        peer.plain.close()
        await rig.timer.waits(1.0)
        rig.timer.advance(1.0)
        await rig.intake.ends.get()


async def test_h26_a_reset_ends_it(tmp_path: Path) -> None:
    async with encrypting(tmp_path) as rig:
        peer = await rig.encrypted()
        await peer.send(frame(request()))
        source, _ = await rig.intake.frames.get()
        peer.reset()
        assert await rig.intake.ends.get() == source
        assert not await rig.listener.write(source, response())


async def test_a_record_that_was_changed_ends_the_connection_and_is_told(tmp_path: Path) -> None:
    async with encrypting(tmp_path) as rig:
        peer = await asyncio.to_thread(Blocking, rig)
        with capture_logs() as records:
            await asyncio.to_thread(peer.plain.sendall, b"\x17\x03\x03\x00\x20" + bytes(32))
            await rig.intake.ends.get()
        assert [one["event"] for one in records] == ["tls_broken"]
        peer.plain.close()


async def test_h25_flushed_means_that_the_kernel_has_it(tmp_path: Path) -> None:
    async with encrypting(tmp_path, max_unread=64 << 20) as rig:
        peer = await rig.encrypted()
        await peer.send(frame(request()))
        source, _ = await rig.intake.frames.get()
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]  # typeshed: of a write transport
        writing = asyncio.create_task(rig.listener.write(source, b"x" * (16 << 20)))
        await rig.timer.waits(30)
        assert not writing.done()
        with capture_logs() as records:
            rig.timer.advance(30)
            assert not await writing
        assert [one["event"] for one in records] == ["answers_not_read"]
        assert await rig.intake.ends.get() == source


async def test_h27_nothing_is_read_ahead_while_the_intake_is_busy(tmp_path: Path) -> None:
    async with encrypting(tmp_path) as rig:
        release = asyncio.Event()

        async def hold(_: object, data: bytes) -> None:
            if data == b"slow":
                await release.wait()

        rig.intake.on_frame = hold
        peer = await asyncio.to_thread(Blocking, rig)
        await asyncio.to_thread(peer.send, frame(b"slow"))
        await rig.intake.frames.get()
        sending = asyncio.create_task(asyncio.to_thread(peer.send, frame(b"y" * 900_000) * 20))
        quick = await rig.encrypted()
        await quick.send(frame(b"quick"))
        assert (await rig.intake.frames.get())[1] == b"quick"
        assert not sending.done()
        release.set()
        for _ in range(20):
            assert len((await rig.intake.frames.get())[1]) == 900_000
        await sending
        peer.plain.close()


# -- who is there --------------------------------------------------------------------------------------------------


async def test_the_certificate_a_peer_shows_is_told_with_each_message(tmp_path: Path) -> None:
    async with encrypting(tmp_path, client_certificate="optional") as rig:
        known = await rig.encrypted("kasse1")
        await known.send(frame(request()) * 2)
        nobody = await rig.encrypted()
        await rig.intake.frames.get()
        await rig.intake.frames.get()
        await nobody.send(frame(request()))
        await rig.intake.frames.get()
        own = rig.papers.fingerprint("kasse1")
        assert [one.certificate for one in rig.intake.speakers] == [own, own, ""]


async def refused(rig: TlsRig, tls: ssl.SSLContext) -> str:
    """Why a peer is refused; TLS 1.3 tells it only when it reads."""
    with capture_logs() as records:
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            await (await rig.encrypted(tls=tls)).receive()
        await rig.intake.ends.get()
    assert rig.intake.frames.empty()
    assert [one["event"] for one in records] == ["tls_handshake_failed"]
    return str(records[0]["reason"])


async def test_h32_without_a_certificate_where_one_is_required(tmp_path: Path) -> None:
    async with encrypting(tmp_path, client_certificate="required") as rig:
        assert await refused(rig, rig.papers.client()) == "the peer shows no certificate"


@pytest.mark.parametrize("asked", ["optional", "required"])
async def test_h32_a_certificate_of_another_authority(asked: str, tmp_path: Path) -> None:
    async with encrypting(tmp_path, client_certificate=asked) as rig:
        reason = await refused(rig, rig.papers.client("stranger", by=trustme.CA()))
        assert reason.startswith("the peer's certificate is refused: ")


async def test_a_peer_that_does_not_trust_us_is_told_of(tmp_path: Path) -> None:
    async with encrypting(tmp_path) as rig:
        other = tmp_path / "other"
        other.mkdir()
        stranger = Papers(other).client()
        assert (await refused(rig, stranger)).startswith("the peer broke off the handshake")

        def said() -> None:
            with socket.create_connection((rig.host, rig.port)) as plain:
                stranger.wrap_socket(plain, server_hostname="localhost")

        with capture_logs() as records:
            with pytest.raises(ssl.SSLCertVerificationError):
                await asyncio.to_thread(said)
            await rig.intake.ends.get()
        assert records[0]["reason"] == "the peer does not know the authority of our certificate"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_session_outlives_no_change_of_files_and_says_who_it_is_of(
    version: ssl.TLSVersion, tmp_path: Path
) -> None:
    """Else a certificate whose authority was taken away would go on to be believed."""
    async with encrypting(tmp_path, client_certificate="required") as rig:
        tls = rig.papers.client("kasse1")
        tls.minimum_version = tls.maximum_version = version

        def connect(session: ssl.SSLSession | None = None) -> tuple[ssl.SSLSession | None, bool]:
            with (
                socket.create_connection((rig.host, rig.port)) as plain,
                tls.wrap_socket(plain, server_hostname="localhost", session=session) as one,
            ):
                one.sendall(frame(request()))
                return one.session, bool(one.session_reused)

        first, _ = await asyncio.to_thread(connect)
        _, again = await asyncio.to_thread(connect, first)
        assert again == (version is ssl.TLSVersion.TLSv1_2)
        for _ in range(2):
            await rig.intake.frames.get()
        assert {one.certificate for one in rig.intake.speakers} == {rig.papers.fingerprint("kasse1")}
        rig.papers.issue("bridge")
        assert isinstance(rig.listener, TlsListener)
        await rig.listener.refresh()
        _, again = await asyncio.to_thread(connect, first)
        assert not again


async def test_handshakes_take_turns() -> None:
    """What runs beside them comes in between, and one that fails stops none."""
    turns, order = Turns(), list[str]()
    loop = asyncio.get_running_loop()
    caught: list[object] = []
    loop.set_exception_handler(lambda _, context: caught.append(context["exception"]))
    done = asyncio.Event()

    def step(name: str) -> None:
        order.append(name)
        loop.call_soon(order.append, "other")
        if name == "second":
            raise RuntimeError
        if name == "third":
            loop.call_soon(done.set)

    for name in ("first", "second", "third"):
        turns.ask(lambda name=name: step(name))  # type: ignore[misc]  # a default that binds
    await done.wait()
    assert order == ["first", "other", "second", "other", "third", "other"]
    assert len(caught) == 1
