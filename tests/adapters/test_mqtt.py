"""The one thing everything over MQTT rests on: nothing is acknowledged unless we say so. With a real broker."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any, Literal

import pytest

from nexo_bridge.adapters.mqtt import FAILURE, Access, Link, LinkLost, Publication, Will
from tests.broker import Broker, running
from tests.mqtt_peer import PATIENCE, peer

WILL = Will("here/bridge", b"gone")
Version = Literal["5", "3.1.1"]
both = pytest.mark.parametrize("version", ["5", "3.1.1"])


class Inbox:
    def __init__(self) -> None:
        self.came: asyncio.Queue[Publication] = asyncio.Queue()

    def __call__(self, publication: Publication) -> None:
        self.came.put_nowait(publication)

    async def next(self) -> Publication:
        async with asyncio.timeout(PATIENCE):
            return await self.came.get()


def access(broker: Broker, version: Version, **words: str) -> Access:
    return Access("127.0.0.1", broker.port, version, "bridge", **words)  # type: ignore[arg-type]  # texts only


@both
async def test_r13_what_was_not_acknowledged_comes_again_also_after_the_broker_was_killed(
    broker: Broker, version: Version
) -> None:
    inbox = Inbox()
    async with Link(access(broker, version), WILL, inbox) as link:
        assert not link.session_present
        assert await link.subscribe(["here/+"], qos=1, again=False) == {"here/+": 1}
        async with peer(broker) as till:
            for number in range(3):
                await till.publish("here/x", b"%d" % number)
        first, second, third = [await inbox.next() for _ in range(3)]
        assert [one.payload for one in (first, second, third)] == [b"0", b"1", b"2"]
        link.ack(first.packet)
        assert await link.publish("other", b"", qos=1) in {
            0,
            16,
        }  # behind it, so the broker has the acknowledgement
        broker.saved()
        broker.kill()
        with pytest.raises(LinkLost, match="the connection to the broker is lost"):
            await link.lost()
    broker.start()
    async with Link(access(broker, version), WILL, inbox) as link:
        assert link.session_present
        assert [(await inbox.next()).payload for _ in range(2)] == [b"1", b"2"]
    assert inbox.came.empty()


async def test_everything_mqtt_5_says_of_a_publication_is_read(broker: Broker) -> None:
    inbox = Inbox()
    async with Link(access(broker, "5"), WILL, inbox) as link, peer(broker) as till:
        await link.subscribe(["here/x"], qos=1, again=False)
        await till.publish(
            "here/x",
            b"<x/>",
            ResponseTopic="here/back",
            CorrelationData=b"\x01\x02",
            UserProperty=[("sent-at", "2026-01-02T03:04:05Z"), ("other", "1")],
        )
        came = await inbox.next()
        assert (came.response, came.correlation, came.sent_at) == (
            "here/back",
            b"\x01\x02",
            "2026-01-02T03:04:05Z",
        )
        await till.publish("here/x", b"y", qos=0)
        assert (await inbox.next()).packet == 0


async def test_f82_with_mqtt_5_retain_is_seen_also_by_who_was_there(broker: Broker) -> None:
    inbox = Inbox()
    async with Link(access(broker, "5"), WILL, inbox) as link, peer(broker) as till:
        await link.subscribe(["here/x"], qos=1, again=False)
        await till.publish("here/x", b"x", retain=True)
        assert (await inbox.next()).retained


async def test_properties_go_out_with_mqtt_5_and_are_left_out_before(broker: Broker) -> None:
    async with peer(broker, "back") as till:
        for version in ("5", "3.1.1"):
            async with Link(access(broker, version), WILL, Inbox()) as link:
                assert (
                    await link.publish("back", b"x", correlation=b"\x07", content_type="application/xml") == 0
                )
                heard = await till.hear()
                said = heard.properties.json() if heard.properties else {}  # type: ignore[no-untyped-call]  # paho's
                assert said == (
                    {"CorrelationData": "07", "ContentType": "application/xml", "PayloadFormatIndicator": 1}
                    if version == "5"
                    else {}
                )


async def test_f85_a_publication_that_is_not_allowed_is_told_by_its_reason(tmp_path: Path) -> None:
    with running(
        tmp_path / "b", users={"bridge": "x"}, acl="user bridge\ntopic readwrite mine/#\n"
    ) as broker:
        async with Link(access(broker, "5", username="bridge", password="x"), WILL, Inbox()) as link:
            assert await link.publish("others/x", b"x") >= FAILURE
            assert await link.publish("mine/x", b"x") < FAILURE
            codes = await link.subscribe(["mine/#", "others/#"], qos=1, again=False)
            assert codes["mine/#"] < FAILURE
        with pytest.raises(LinkLost, match=r"refuses us \("):
            async with Link(access(broker, "5", username="bridge", password="wrong"), WILL, Inbox()):
                pass


@both
async def test_f84_another_client_of_our_name_takes_over(broker: Broker, version: Version) -> None:
    async with Link(access(broker, version), WILL, Inbox()) as first:
        async with Link(access(broker, version), WILL, Inbox()):
            with pytest.raises(LinkLost):
                await first.lost()
        with pytest.raises(LinkLost):
            first.publish("x", b"x")
        with pytest.raises(LinkLost):
            await first.subscribe(["x"], qos=1, again=False)
        first.ack(1)  # too late, and no harm


async def test_the_broker_says_when_we_are_gone(broker: Broker) -> None:
    async with peer(broker, "here/bridge") as till:
        async with Link(access(broker, "5"), WILL, Inbox()) as link:
            link._client._client.socket().shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]  # it is connected
            with pytest.raises(LinkLost):
                await link.lost()
            assert (await till.hear()).payload == b"gone"


async def test_a_broker_that_is_not_there_is_told_and_leaves_nothing_behind(broker: Broker) -> None:
    broker.stop()
    with pytest.raises(LinkLost, match="cannot be reached"):
        async with Link(access(broker, "5"), WILL, Inbox()):
            pass


async def test_somebody_who_takes_the_connection_and_says_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nexo_bridge.adapters.mqtt.CONNECT_PATIENCE", 0.2)
    held: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    with pytest.raises(LinkLost, match="timed out"):
        async with Link(Access("127.0.0.1", port, "5", "bridge"), WILL, Inbox()):
            pass
    for writer in held:
        writer.transport.abort()
    silent.close()


async def test_unsubscribed_is_not_heard_any_more(broker: Broker) -> None:
    inbox = Inbox()
    async with Link(access(broker, "5"), WILL, inbox) as link, peer(broker) as till:
        await link.subscribe(["a", "b"], qos=1, again=False)
        assert await link.subscribe([], qos=1, again=False) == {}
        await link.unsubscribe(["a"])
        await link.unsubscribe([])
        await till.publish("a", b"1")
        await till.publish("b", b"2")
        assert (await inbox.next()).payload == b"2"


async def test_told_to_end_in_the_moment_of_an_answer_it_ends(broker: Broker) -> None:
    async with Link(access(broker, "5"), WILL, Inbox()) as link:
        asking = asyncio.create_task(link.subscribe(["here/+"], qos=1, again=False))
        library = link._client._client
        answered = library.on_subscribe
        assert answered is not None

        def answered_and_told(*words: Any) -> None:
            answered(*words)
            asking.cancel()

        library.on_subscribe = answered_and_told
        with pytest.raises(asyncio.CancelledError):
            await asking
