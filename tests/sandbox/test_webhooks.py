from __future__ import annotations

import asyncio
import hmac
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from nexo_bridge.sandbox.certificates import KeyPair
from nexo_bridge.sandbox.clock import VirtualClock
from nexo_bridge.sandbox.events import Event
from nexo_bridge.sandbox.front import Front, server_tls
from nexo_bridge.sandbox.webhooks import ATTEMPTS, Target, Webhooks
from nexo_bridge.sandbox.wire import Answer, Request, Wire


class Receiver:
    """Answers as told, 204 when nothing is."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.answers: list[Answer] = []
        self.requests: list[Request] = []
        self.ended = asyncio.Event()
        self.webhooks: Webhooks
        self.url = ""

    async def handle(self, request: Request) -> Answer:
        self.requests.append(request)
        return self.answers.pop(0) if self.answers else Answer(204)

    async def attempts(self, count: int) -> list[int]:
        while len(self.webhooks.statuses) < count:
            self.ended.clear()
            await self.ended.wait()
        return self.webhooks.statuses


def event(number: int) -> Event:
    return Event(f"evt_{number}", "2097CD800001", b'{"eventId":"evt_%d"}' % number)


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[Receiver]:
    ca, files = trustme.CA(), KeyPair(tmp_path / "cert.pem", tmp_path / "key.pem")
    issued = ca.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(files.key)
    issued.cert_chain_pems[0].write_to_path(files.certificate)
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    it = Receiver()
    tls = await asyncio.to_thread(
        lambda: server_tls(files, tmp_path / "ca.pem", client_certificate=ssl.CERT_OPTIONAL)
    )
    client = ssl.create_default_context()
    ca.configure_trust(client)
    front = Front(it.handle, tls)
    it.url = await front.start("127.0.0.1", 0)
    it.webhooks = Webhooks(it.clock, lambda: client)
    it.webhooks.changed = it.ended.set
    yield it
    await it.webhooks.close()
    await front.close()


async def test_nothing_is_sent_to_nobody(receiver: Receiver) -> None:
    receiver.webhooks.send(event(1))
    assert not receiver.webhooks.busy


async def test_each_attempt_is_signed_anew(receiver: Receiver) -> None:
    receiver.webhooks.register(Target(f"{receiver.url}/hook", b"secret"))
    for number in (1, 1, 2):
        receiver.webhooks.send(event(number))
    assert await receiver.attempts(3) == [204, 204, 204]

    stamps = [request.headers["x-ppaas-timestamp"] for request in receiver.requests]
    assert len(set(stamps)) == 3
    for request, stamp in zip(receiver.requests, stamps, strict=True):
        right = hmac.digest(b"secret", stamp.encode() + b"." + request.body, "sha256").hex()
        assert request.headers["x-ppaas-signature"] == f"v1={right}"
        assert (request.method, request.path) == ("POST", "/hook")


@pytest.mark.parametrize("fault", ["webhook-forged", "webhook-old", "webhook-replayed"])
async def test_what_no_platform_should_send_is_beside_what_it_sends(fault: str, receiver: Receiver) -> None:
    due = [fault]

    def take(name: str, device_id: str) -> bool:
        assert device_id == event(1).device_id
        return bool(due) and name == due[0] and due.pop() == name

    receiver.webhooks._due = take
    receiver.webhooks.register(Target(receiver.url, b"s" * 32))
    receiver.webhooks.send(event(1))
    receiver.webhooks.send(event(2))
    assert await receiver.attempts(2) == [204, 204]
    assert receiver.webhooks.forgeries == [204]
    assert len(receiver.requests) == 3
    true = [one for one in receiver.requests if one.body == event(1).body]
    now = receiver.clock.now().timestamp()
    if fault == "webhook-replayed":
        assert true[0].headers == true[1].headers
        return
    (other,) = (one for one in receiver.requests if b"APPROVED" in one.body)
    age = now - int(other.headers["x-ppaas-timestamp"]) / 1000
    right = hmac.digest(b"s" * 32, f"{other.headers['x-ppaas-timestamp']}.".encode() + other.body, "sha256")
    assert (round(age), other.headers["x-ppaas-signature"] == f"v1={right.hex()}") == (
        (0, False) if fault == "webhook-forged" else (3600, True)
    )


async def test_without_a_secret_nothing_is_signed(receiver: Receiver) -> None:
    receiver.webhooks.register(Target(receiver.url))
    receiver.webhooks.send(event(1))
    await receiver.attempts(1)
    assert "x-ppaas-signature" not in receiver.requests[0].headers


@pytest.mark.parametrize("answer", [Answer(503), Answer(204, wire=Wire.CLOSE), Answer(204, wire=Wire.RESET)])
async def test_what_is_not_taken_comes_again_and_holds_up_nothing(answer: Answer, receiver: Receiver) -> None:
    receiver.answers = [answer]
    receiver.webhooks.register(Target(receiver.url))
    receiver.webhooks.send(event(1))
    receiver.webhooks.send(event(2))
    statuses = await receiver.attempts(2)
    assert statuses == [503 if answer.status == 503 else 0, 204]
    receiver.clock.advance(1)
    await receiver.attempts(3)
    assert [request.body for request in receiver.requests][-1] == event(1).body


async def test_in_the_end_it_gives_up(receiver: Receiver) -> None:
    receiver.answers = [Answer(500)] * 20
    receiver.webhooks.register(Target(receiver.url))
    receiver.webhooks.send(event(1))
    for attempt in range(1, ATTEMPTS + 1):
        await receiver.attempts(attempt)
        receiver.clock.advance(2000)
    assert not receiver.webhooks.busy
    assert len(receiver.requests) == ATTEMPTS


async def test_an_event_for_a_target_that_was_taken_away_is_not_sent(receiver: Receiver) -> None:
    receiver.webhooks.register(Target(receiver.url))
    receiver.webhooks.send(event(1))
    receiver.webhooks.register(None)
    assert await receiver.attempts(1) == [0]
    assert receiver.requests == []


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "https://", "nonsense"])
def test_it_is_an_https_url(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        Webhooks(VirtualClock(), ssl.create_default_context).register(Target(url))
