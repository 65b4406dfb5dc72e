"""F58 and the rest of the webhook, over real TLS; the core is a list that a test acknowledges from."""

from __future__ import annotations

import asyncio
import hmac
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme

from nexo_bridge.adapters.timer import HandTimer
from nexo_bridge.adapters.webhook import (
    ANSWER_WITHIN,
    IDLE,
    MOST_CONNECTIONS,
    PATH,
    WebhookAccess,
    WebhookChannel,
)
from nexo_bridge.core.signals import PlatformEvent
from nexo_bridge.core.source import Source
from nexo_bridge.errors import ConfigurationError
from nexo_bridge.ppaas.events import MAX_EVENT
from nexo_bridge.ppaas.models import Approved

SECRET, NOW = b"k" * 40, 1_800_000_000.0
EVENT = {
    "eventId": "evt_1",
    "sequence": 5,
    "transactionId": "txn_1",
    "clientTransactionId": "6f1c1f0e-3a55-5c0e-9a53-0d1f8a1b2c3d",
    "deviceId": "2097CD800001",
    "status": "APPROVED",
    "paymentAmount": {"amount": 1250, "currency": "EUR"},
}
BODY = json.dumps(EVENT).encode()


@dataclass
class Rig:
    """A webhook, and a core that has each event on disk at once unless ``holds``."""

    ca: trustme.CA
    folder: Path
    heard: list[PlatformEvent] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    holds: bool = False
    works: bool = True
    timer: HandTimer = field(default_factory=HandTimer)
    channel: WebhookChannel = field(init=False)
    stamped: int = 0

    def access(self, *, secret: bool = True, certified: bool = False) -> WebhookAccess:
        files = {name: self.folder / name for name in ("cert.pem", "key.pem", "secret", "ca.pem")}
        issued = self.ca.issue_cert("127.0.0.1")
        issued.private_key_pem.write_to_path(files["key.pem"])
        files["cert.pem"].write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        files["secret"].write_bytes(SECRET + b"\n")
        self.ca.cert_pem.write_to_path(files["ca.pem"])
        return WebhookAccess(
            "127.0.0.1",
            0,
            files["cert.pem"],
            files["key.pem"],
            files["secret"] if secret else None,
            files["ca.pem"] if certified else None,
        )

    def feed(self, event: PlatformEvent) -> None:
        self.heard.append(event)
        self.came.set()
        if not self.holds:
            self._acks = asyncio.get_running_loop().create_task(
                self.channel.acknowledge(event.source, event.ack)
            )

    def headers(self, body: bytes, *, at: float | None = None, secret: bytes = SECRET) -> str:
        self.stamped += 1
        timestamp = str(int((NOW if at is None else at) * 1000) + self.stamped)
        signature = hmac.digest(secret, timestamp.encode() + b"." + body, "sha256").hex()
        return f"X-PPaaS-Timestamp: {timestamp}\r\nX-PPaaS-Signature: v1={signature}\r\n"

    def request(self, body: bytes = BODY, headers: str | None = None, line: str = f"POST {PATH}") -> bytes:
        signed = self.headers(body) if headers is None else headers
        return (
            f"{line} HTTP/1.1\r\nHost: bridge\r\n{signed}Content-Length: {len(body)}\r\n\r\n".encode() + body
        )

    async def connect(self, *, certified: bool = False) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        if certified:
            self.ca.issue_cert("platform").configure_cert(context)
        assert self.channel.address is not None
        host, _, port = self.channel.address.rpartition(":")
        return await asyncio.open_connection(host, int(port), ssl=context)

    async def call(self, data: bytes, *, certified: bool = False) -> int:
        """The status of the answer, 0 for a connection that ends without one."""
        reader, writer = await self.connect(certified=certified)
        try:
            writer.write(data)
            return await status(reader)
        except OSError:
            return 0
        finally:
            writer.close()


async def status(reader: asyncio.StreamReader) -> int:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return 0
    return int(head.split(b" ")[1])


@asynccontextmanager
async def rig(folder: Path, **access: bool) -> AsyncIterator[Rig]:
    made = Rig(trustme.CA(), folder)
    files = made.access(**access)
    made.channel = await asyncio.to_thread(
        lambda: WebhookChannel(
            files,
            {"2097CD800001": "POI00001"},
            made.feed,
            works=lambda: made.works,
            wall=lambda: NOW,
            timer=made.timer,
        )
    )
    await made.channel.start()
    try:
        yield made
    finally:
        await made.channel.close()


async def test_an_event_is_answered_when_the_journal_has_it(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        it.holds = True
        answer = asyncio.create_task(it.call(it.request()))
        await it.came.wait()
        [event] = it.heard
        assert not answer.done()
        await it.channel.acknowledge(event.source, event.ack)

        assert await answer == 204
        assert (event.poiid, event.event_id, event.sequence, event.settles) == ("POI00001", "evt_1", 5, False)
        assert isinstance(event.outcome, Approved)
        assert it.channel.owns(event.source)
        assert not it.channel.owns(Source("tcp", "tcp-1"))


async def test_what_is_not_on_disk_within_a_second_is_to_come_again(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        it.holds = True
        request = it.request()
        answer = asyncio.create_task(it.call(request))
        await it.came.wait()
        await it.timer.waits(ANSWER_WITHIN)
        it.timer.advance(ANSWER_WITHIN)
        assert await answer == 503

        await it.channel.acknowledge(it.heard[0].source, it.heard[0].ack)  # too late, and harmless
        it.holds = False
        assert await it.call(request) == 204, "the very same bytes: they were not served"
        assert it.heard[0].ack != it.heard[1].ack


async def test_a_broken_journal_is_said_at_once(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        it.works = False
        assert await it.call(it.request()) == 503
        assert it.heard == []
        state = it.channel.state("POI00001")
        assert state is not None
        assert not state.up
        it.works = True
        assert await it.call(it.request()) == 204


async def test_f58_what_is_forged_or_replayed_is_refused(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        good = it.request()
        assert await it.call(it.request(headers="")) == 401
        assert await it.call(it.request(headers=it.headers(BODY, secret=b"o" * 40))) == 401
        assert await it.call(it.request(headers=it.headers(BODY, at=NOW - 400))) == 401
        assert await it.call(it.request(BODY + b" ", it.headers(BODY))) == 401
        assert it.heard == []
        assert await it.call(good) == 204
        assert await it.call(good) == 401
        assert len(it.heard) == 1


async def test_one_connection_carries_many_events(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        reader, writer = await it.connect()
        for _ in range(5):
            writer.write(it.request())
            assert await status(reader) == 204
        writer.close()
        assert len(it.heard) == 5


async def test_events_of_other_devices_and_no_events_at_all_are_taken_and_mean_nothing(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path) as it:
        assert await it.call(it.request(json.dumps({**EVENT, "deviceId": "other"}).encode())) == 204
        assert await it.call(it.request(b"not JSON")) == 204
        assert [(event.poiid, event.outcome is None) for event in it.heard] == [("", False), ("", True)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"GET " + PATH.encode() + b" HTTP/1.1\r\nHost: b\r\n\r\n", 405),
        (b"POST /other HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n", 404),
        (b"\x16\x03\x01 nonsense\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nX: " + b"x" * 40_000, 431),
        (b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: b\r\nContent-Length: 99999999\r\n\r\n", -1),
    ],
)
async def test_what_is_no_event_is_answered_by_name_or_not_at_all(
    data: bytes, expected: int, tmp_path: Path
) -> None:
    async with rig(tmp_path) as it:
        if expected < 0:
            data, expected = data + b"x" * (MAX_EVENT + 1), 413
        assert await it.call(data) == expected
        assert it.heard == []


async def test_a_peer_that_says_nothing_is_let_go(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        reader, writer = await it.connect()
        await it.timer.waits(IDLE)
        it.timer.advance(IDLE)
        assert await status(reader) == 0
        writer.close()


async def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        reader, writer = await it.connect()
        writer.write(it.request()[:-5])
        await it.timer.waits(5.0)
        it.timer.advance(5.0)
        assert await status(reader) == 0
        writer.close()
        assert it.heard == []


async def test_more_connections_than_a_platform_needs_are_closed(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        kept = [await it.connect() for _ in range(MOST_CONNECTIONS)]
        with suppress(OSError):
            reader, writer = await it.connect()
            assert await status(reader) == 0
            writer.close()
        kept[0][1].write(it.request())
        assert await status(kept[0][0]) == 204
        for _, writer in kept:
            writer.close()


async def test_a_client_certificate_can_be_enough(tmp_path: Path) -> None:
    async with rig(tmp_path, secret=False, certified=True) as it:
        assert await it.call(it.request(headers=""), certified=True) == 204
        with suppress(ssl.SSLError):
            assert await it.call(it.request(headers="")) == 0
        assert len(it.heard) == 1


async def test_or_both_can_be_asked_for(tmp_path: Path) -> None:
    async with rig(tmp_path, certified=True) as it:
        assert await it.call(it.request(headers=""), certified=True) == 401
        assert await it.call(it.request(), certified=True) == 204


async def test_its_terminals_change_while_it_runs(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        it.channel.serve({"2097CD800001": "POI00009"})
        await it.call(it.request())
        assert it.heard[0].poiid == "POI00009"
        assert it.channel.state("POI00001") is None
        state = it.channel.state("POI00009")
        assert state is not None
        assert state.up


async def test_a_taken_port_is_told(tmp_path: Path) -> None:
    async with rig(tmp_path) as it:
        assert it.channel.address is not None
        access = it.access()
        port = int(it.channel.address.rpartition(":")[2])
        taken = WebhookAccess("127.0.0.1", port, access.certificate, access.key, access.secret)
        second = await asyncio.to_thread(
            lambda: WebhookChannel(taken, {}, it.feed, works=lambda: True, wall=lambda: NOW)
        )
        assert second.state("POI00001") is None
        with pytest.raises(ConfigurationError, match="webhook: cannot listen"):
            await second.start()
        await second.close()


@pytest.mark.parametrize(
    ("spoil", "wrong"),
    [
        ("secret", r"webhook\.secret: .* less than 32"),
        ("no secret", r"webhook\.secret: .* cannot be read"),
        ("cert.pem", r"webhook\.certificate: "),
        ("ca.pem", r"webhook\.client_ca: "),
        ("open", r"anybody could call"),
    ],
)
def test_files_that_cannot_be_used_are_told_at_the_start(spoil: str, wrong: str, tmp_path: Path) -> None:
    it = Rig(trustme.CA(), tmp_path)
    access = it.access(certified=True)
    if spoil == "no secret":
        (tmp_path / "secret").unlink()
    elif spoil == "open":
        access = it.access(secret=False)
    else:
        (tmp_path / spoil).write_bytes(b"spoilt")
    with pytest.raises(ConfigurationError, match=wrong):
        WebhookChannel(access, {}, it.feed, works=lambda: True, wall=lambda: NOW)
