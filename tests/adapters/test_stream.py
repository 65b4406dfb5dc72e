"""One stream against a server that does what a test says, over real TLS; pauses end when the test lets them."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

import pytest
import trustme
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from nexo_bridge.adapters import stream
from nexo_bridge.adapters.channel import NOT_ASKED_FOR, Way
from nexo_bridge.adapters.stream import CHECK, FIRST_PAUSE, LONGEST_PAUSE, PATH, WINDOW, StreamChannel
from nexo_bridge.core.signals import PlatformEvent
from nexo_bridge.core.source import Source
from nexo_bridge.errors import JournalFailure
from nexo_bridge.ppaas.grants import NoSessionError


def event(number: int, **more: object) -> str:
    return json.dumps(
        {
            "eventId": f"evt_{number}",
            "sequence": number,
            "transactionId": "txn_1",
            "clientTransactionId": "key",
            "deviceId": "2097CD800001",
            "status": "PENDING",
            "paymentAmount": {"amount": 1250, "currency": "EUR"},
            **more,
        }
    )


@dataclass
class Rig:
    """Both ends. ``answers`` are statuses of the next handshakes; without one a stream opens."""

    ca: trustme.CA = field(default_factory=trustme.CA)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)
    tokens: list[str] = field(default_factory=lambda: ["token-1"])
    refusals: list[str] = field(default_factory=list)
    heard: list[PlatformEvent] = field(default_factory=list)
    pauses: list[tuple[float, asyncio.Future[None]]] = field(default_factory=list)
    opened: asyncio.Queue[ServerConnection] = field(default_factory=asyncio.Queue)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    acks: bool = True
    base: str = ""
    certified: bool = True
    stored: str | None = None
    journal_fails: int = 0
    channel: StreamChannel = field(init=False)

    # what the channel is given

    def way(self, poiid: str) -> Way:
        if poiid != "POI00001":
            raise KeyError(poiid)
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        return Way(self.base, context, self.certified)

    async def bearer(self, poiid: str) -> str:  # noqa: ARG002 - the port's name
        if not self.tokens:
            raise NoSessionError("the certificate expired")
        return self.tokens[-1]

    def refused(self, poiid: str, bearer: str) -> None:  # noqa: ARG002 - the port's name
        self.refusals.append(bearer)
        self.tokens.append(f"token-{len(self.tokens) + 1}")

    def feed(self, told: PlatformEvent) -> None:
        self.heard.append(told)
        self.changed.set()
        if self.acks:
            self._ack = asyncio.get_running_loop().create_task(
                self.channel.acknowledge(told.source, told.ack)
            )

    async def newest(self) -> str | None:
        if self.journal_fails:
            self.journal_fails -= 1
            raise JournalFailure("cannot be read now")
        return self.stored

    async def pause(self, seconds: float) -> None:
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.pauses.append((seconds, over))
        self.changed.set()
        await over

    # what a test does

    async def until(self, true: Callable[[], bool]) -> None:
        while not true():
            self.changed.clear()
            await self.changed.wait()

    async def wake(self, seconds: float | None = None) -> float:
        """End the pause of that length, or the newest that is no check; how long it was to be."""

        def fits(one: tuple[float, asyncio.Future[None]]) -> bool:
            return not one[1].done() and (one[0] == seconds if seconds is not None else one[0] != CHECK)

        await self.until(lambda: any(fits(one) for one in self.pauses))
        chosen = next(one for one in self.pauses if fits(one))
        chosen[1].set_result(None)
        return chosen[0]

    def resumed_after(self, number: int) -> str | None:
        return parse_qs(urlsplit(self.asked[number].path).query).get("lastEventId", [None])[0]

    def process(self, _: ServerConnection, request: Request) -> Response | None:
        self.asked.append(request)
        if not self.answers:
            return None
        status, headers = self.answers.pop(0)
        return Response(status, HTTPStatus(status).phrase, Headers({"Content-Length": "0", **headers}))

    async def serve(self, connection: ServerConnection) -> None:
        self.opened.put_nowait(connection)
        await connection.wait_closed()


@asynccontextmanager
async def rig(*, start: bool = True, chance: float = 1.0, ping: float = 20.0) -> AsyncIterator[Rig]:
    it = Rig()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    it.ca.issue_cert("127.0.0.1").configure_cert(context)
    async with serve(
        it.serve, "127.0.0.1", 0, ssl=context, process_request=it.process, compression=None
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        it.base = f"https://127.0.0.1:{port}"
        it.channel = StreamChannel(
            "POI00001",
            it,
            it.feed,
            newest=it.newest,
            pause=it.pause,
            chance=lambda: chance,
            ping=ping,
        )
        if start:
            await it.channel.start()
        try:
            yield it
        finally:
            await it.channel.close()


async def test_it_opens_with_the_terminals_token_and_says_what_it_missed() -> None:
    async with rig() as it:
        await it.opened.get()
        await it.until(lambda: bool(it.heard))

        assert it.asked[0].path == PATH
        assert it.asked[0].headers["Authorization"] == "Bearer token-1"
        assert [(one.missed, one.ack, one.event_id, one.outcome) for one in it.heard] == [
            (True, NOT_ASKED_FOR, "", None)
        ]


async def test_its_events_may_settle_and_move_the_resume_point_when_they_are_on_disk() -> None:
    async with rig() as it:
        it.acks = False
        server = await it.opened.get()
        for number in (1, 2, 3):
            await server.send(event(number))
        await it.until(lambda: len(it.heard) == 4)
        _, first, second, third = it.heard
        assert all(one.settles and one.poiid == "POI00001" for one in it.heard)
        await it.channel.acknowledge(third.source, third.ack)
        assert it.channel.state("POI00001").last_event is None  # type: ignore[union-attr]  # it is this terminal's
        await it.channel.acknowledge(first.source, first.ack)
        assert it.channel.state("POI00001").last_event == "evt_1"  # type: ignore[union-attr]  # as above
        await it.channel.acknowledge(second.source, second.ack)
        assert it.channel.state("POI00001").last_event == "evt_3"  # type: ignore[union-attr]  # as above


async def test_without_a_certificate_its_events_settle_nothing() -> None:
    async with rig(start=False) as it:
        it.certified = False
        await it.channel.start()
        server = await it.opened.get()
        await server.send(event(1))
        await it.until(lambda: len(it.heard) == 2)
        assert not any(one.settles for one in it.heard)


async def test_what_is_not_its_own_changes_nothing() -> None:
    async with rig() as it:
        assert it.channel.state("POI00002") is None
        assert not it.channel.owns(Source("tcp", "tcp-1"))
        await it.channel.acknowledge(Source("tcp", "tcp-1"), 1)
        await it.channel.acknowledge(it.channel._source, 99)


async def test_after_a_break_it_goes_on_where_the_journal_is() -> None:
    async with rig() as it:
        it.stored = None
        server = await it.opened.get()
        await server.send(event(7))
        await it.until(lambda: len(it.heard) == 2)
        server.transport.abort()
        assert await it.wake() == FIRST_PAUSE
        await it.opened.get()

        assert it.resumed_after(1) == "evt_7"
        assert not any(one.missed for one in it.heard[1:])


async def test_a_new_process_goes_on_there_too_also_when_the_journal_is_late() -> None:
    async with rig(start=False) as it:
        it.stored, it.journal_fails = "evt_5", 1
        await it.channel.start()
        await it.wake(CHECK)
        await it.opened.get()

        assert it.resumed_after(0) == "evt_5"
        assert it.heard == []


async def test_pauses_grow_and_chance_takes_its_part() -> None:
    async with rig(start=False, chance=0.5) as it:
        it.answers = [(503, {})] * 9
        await it.channel.start()
        pauses = [await it.wake() for _ in range(9)]
        await it.until(lambda: bool(it.heard))

        assert pauses == [min(LONGEST_PAUSE, FIRST_PAUSE * 2**number) / 2 for number in range(9)]
        assert it.channel.state("POI00001").up  # type: ignore[union-attr]  # as above


async def test_f56_a_resume_point_nobody_knows_begins_anew_at_once() -> None:
    async with rig(start=False) as it:
        it.stored = "evt_5"
        it.answers = [(410, {})]
        await it.channel.start()
        await it.opened.get()
        await it.until(lambda: bool(it.heard))

        assert it.resumed_after(1) is None
        assert it.heard[0].missed
        assert it.pauses == [] or {seconds for seconds, _ in it.pauses} == {CHECK}


async def test_a_token_that_is_refused_is_not_used_again() -> None:
    async with rig(start=False) as it:
        it.answers = [(401, {})]
        await it.channel.start()
        await it.wake()
        await it.opened.get()

        assert it.refusals == ["token-1"]
        assert it.asked[1].headers["Authorization"] == "Bearer token-2"


async def test_f42_a_redirect_gets_no_token() -> None:
    async with rig(start=False) as it:
        it.answers = [(307, {"Location": "/elsewhere"})]
        await it.channel.start()
        await it.wake()
        await it.opened.get()

        assert [urlsplit(one.path).path for one in it.asked] == [PATH, PATH]


async def test_without_a_session_it_waits_and_says_so() -> None:
    async with rig(start=False) as it:
        it.tokens = []
        await it.channel.start()
        await it.wake()
        await it.until(lambda: len(it.pauses) == 2)
        state = it.channel.state("POI00001")
        assert state is not None
        assert state.problem == "no device session: the certificate expired"


async def test_a_new_token_opens_a_new_stream_at_once() -> None:
    async with rig() as it:
        first = await it.opened.get()
        it.tokens.append("token-2")
        await it.wake(CHECK)
        await it.opened.get()

        assert first.close_code == 1000
        assert it.asked[1].headers["Authorization"] == "Bearer token-2"
        assert all(seconds == CHECK for seconds, _ in it.pauses)


async def test_no_token_at_the_moment_ends_no_stream() -> None:
    async with rig() as it:
        server = await it.opened.get()
        it.tokens.clear()
        await it.wake(CHECK)
        await it.until(lambda: len(it.pauses) == 2)
        await server.send(event(1))
        await it.until(lambda: len(it.heard) == 2)


async def test_f57_more_than_fits_waits_at_the_platform() -> None:
    async with rig() as it:
        it.acks = False
        server = await it.opened.get()
        sending = asyncio.create_task(send_all(server, 500))
        await it.until(lambda: len(it.heard) == WINDOW + 1)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(it.heard) == WINDOW + 1
        it.acks = True
        for one in tuple(it.heard):
            await it.channel.acknowledge(one.source, one.ack)
        await it.until(lambda: len(it.heard) == 501)
        await sending


async def send_all(server: ServerConnection, count: int) -> None:
    for number in range(count):
        await server.send(event(number))


async def test_a_journal_that_takes_nothing_ends_the_stream_and_loses_nothing() -> None:
    async with rig() as it:
        server = await it.opened.get()
        await server.send(event(1))
        await it.until(lambda: len(it.heard) == 2)
        it.acks = False
        sending = asyncio.create_task(send_all(server, WINDOW * 2))
        await it.until(lambda: len(it.heard) == WINDOW + 2)
        await it.wake(CHECK)
        await it.wake(CHECK)
        await it.wake()
        it.acks = True
        await it.opened.get()
        await asyncio.gather(sending, return_exceptions=True)

        assert it.resumed_after(1) == "evt_1"
        late = it.heard[5]
        await it.channel.acknowledge(late.source, late.ack)  # of a connection that is gone
        assert it.channel.state("POI00001").last_event == "evt_1"  # type: ignore[union-attr]  # as above


async def test_an_event_too_long_is_not_asked_for_again() -> None:
    async with rig() as it:
        server = await it.opened.get()
        await server.send(event(1))
        await it.until(lambda: len(it.heard) == 2)
        await server.send(event(2, padding="x" * 70_000))
        await it.wake()
        await it.opened.get()
        await it.until(lambda: len(it.heard) == 3)

        assert it.resumed_after(1) is None
        assert it.heard[2].missed


async def test_what_nobody_understands_moves_on_and_means_nothing() -> None:
    async with rig() as it:
        server = await it.opened.get()
        await server.send("not JSON")
        await server.send(b"\xff\xfe")
        await server.send(event(3))
        await it.until(lambda: len(it.heard) == 4)

        assert [one.outcome is None for one in it.heard] == [True, True, True, False]


async def test_a_peer_that_no_longer_answers_pings_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CLOSE_WITHIN", 0.05)
    async with rig(ping=0.05) as it:
        server = await it.opened.get()
        server.transport.pause_reading()  # it is there, and as deaf as one behind a pulled cable
        assert await it.wake() == FIRST_PAUSE
        assert it.channel.state("POI00001").problem == "the platform no longer answers on the stream"  # type: ignore[union-attr]  # as above
        server.transport.resume_reading()
        await it.opened.get()
        assert len(it.asked) == 2


async def test_a_terminal_that_is_taken_away_opens_nothing() -> None:
    async with rig(start=False) as it:
        it.channel.poiid = "POI00002"
        await it.channel.start()
        await it.until(lambda: bool(it.pauses))
        state = it.channel.state("POI00002")
        assert state is not None
        assert state.problem == "this terminal is not served any more"


async def test_a_platform_that_is_gone_is_told() -> None:
    async with rig(start=False) as it:
        it.base = "https://127.0.0.1:1"
        await it.channel.start()
        await it.until(lambda: bool(it.pauses))
        state = it.channel.state("POI00001")
        assert state is not None
        assert state.problem == "the stream cannot be opened (ConnectionRefusedError)"
