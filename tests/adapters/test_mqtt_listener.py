"""POS at a real broker, heard and answered: R13 and F80 to F89 as far as the transport goes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from nexo_bridge.adapters.mqtt_listener import CHECK, MOST_UNASKED, MqttListener
from nexo_bridge.adapters.mqtt_owner import record
from nexo_bridge.adapters.mqtt_settings import MqttListen
from nexo_bridge.core.source import Source
from nexo_bridge.errors import ConfigurationError, FrameTooLarge, Retained, TooOld
from tests.adapters.mqtt_rig import NOW, PATIENCE, TO_POI, TO_SALE, Remembering, visiting
from tests.broker import Broker, running
from tests.mqtt_peer import peer

both = pytest.mark.parametrize("version", ["5", "3.1.1"])
OWNER = "nexo/owner/POI1"


def place(topic: str = TO_SALE, correlation: str = "") -> Source:
    address = {"topic": topic, **({"correlation": correlation} if correlation else {})}
    return Source("mqtt", f"mqtt:{TO_SALE}", address=json.dumps(address))


@both
async def test_what_a_till_publishes_comes_with_who_it_is_and_is_answered_there(
    broker: Broker, version: Any
) -> None:
    async with visiting(broker, version=version) as rig, peer(broker, TO_SALE, version=version) as till:
        await till.publish(TO_POI, b"<x/>")
        came = await rig.intake.next()
        assert (came.data, came.speaker.pair, came.refused) == (b"<x/>", ("KASSE1", "POI1"), None)
        assert came.source.lasts
        assert rig.listener.is_open(came.source)
        assert await rig.listener.write(came.source, b"<y/>")
        assert (await till.hear()).payload == b"<y/>"


async def test_ids_that_hold_slashes_and_blanks_are_levels_of_their_own(broker: Broker) -> None:
    async with visiting(broker, poiids=["POI/1 +"]) as rig, peer(broker) as till:
        await till.publish("nexo/KASSE%201/POI%2F1%20%2B/to-poi", b"x")
        assert (await rig.intake.next()).speaker.pair == ("KASSE 1", "POI/1 +")


async def test_f86_a_topic_that_is_no_encoding_of_a_saleid_speaks_for_nobody(broker: Broker) -> None:
    async with visiting(broker) as rig, peer(broker, "nexo/+/POI1/to-sale") as till:
        await till.publish("nexo/KASSE%31/POI1/to-poi", b"x")
        came = await rig.intake.next()
        assert came.speaker.pair == ("\0", "\0")
        assert await rig.listener.write(came.source, b"no")
        assert str((await till.hear()).topic) == "nexo/KASSE%31/POI1/to-sale"


async def test_r13_what_is_not_acknowledged_comes_again_and_what_is_does_not(broker: Broker) -> None:
    async with visiting(broker) as rig, peer(broker) as till:
        for number in range(3):
            await till.publish(TO_POI, b"%d" % number)
        first, second, third = [await rig.intake.next() for _ in range(3)]
        await rig.accept(second)  # out of order: it waits for the first
        await rig.accept(first)
        assert await rig.listener.write(place(), b"behind the acknowledgements")
        broker.saved()
        broker.kill()
        await rig.until(up=False)
        broker.start()
        again = await rig.intake.next()
        assert again.data == b"2"
        assert again.ack != third.ack
        await rig.accept(third)  # of the connection that is over: it means nothing
        await rig.accept(again)
        assert await rig.listener.write(place(), b"and behind that")
    await asyncio.to_thread(broker.heard, "Received PUBACK from nexo-bridge-one", times=3)


async def test_f80_a_broker_that_is_down_at_the_start_is_told_and_found_when_it_comes(broker: Broker) -> None:
    broker.stop()
    async with visiting(broker, up=False, chance=0.01) as rig:
        async with asyncio.timeout(PATIENCE):
            while rig.listener.state().problem == "not connected yet":
                await rig.listener.turned.wait()
        up, problem = rig.listener.state().up, rig.listener.state().problem
        assert not up
        assert problem is not None
        assert problem.startswith("the broker cannot be reached")
        broker.start()
        await rig.until(up=True)
        assert rig.listener.state().problem is None


async def test_f80_a_broker_that_forgot_everything_is_subscribed_to_again_and_gets_what_waits(
    broker: Broker,
) -> None:
    async with visiting(broker, chance=0.01) as rig:
        broker.kill()
        await rig.until(up=False)
        writing = asyncio.create_task(rig.listener.write(place(correlation="07"), b"<kept/>"))
        await asyncio.sleep(0)
        broker.forget()
        broker.start()
        assert await writing
        await rig.until(up=True)
        async with peer(broker, TO_SALE) as till:
            await till.publish(TO_POI, b"x")
            assert (await rig.intake.next()).data == b"x"


async def test_what_a_screen_should_show_does_not_wait_for_a_broker_that_is_away(broker: Broker) -> None:
    async with visiting(broker, chance=1.0) as rig:
        broker.kill()
        await rig.until(up=False)
        assert not await rig.listener.write(place(), b"<SaleToPOIRequest><DisplayRequest/>")


async def test_answers_have_the_correlation_data_and_the_response_topic_of_their_request(
    broker: Broker,
) -> None:
    async with visiting(broker) as rig, peer(broker, "nexo/KASSE1/POI1/to-sale/#") as till:
        await till.publish(TO_POI, b"x", ResponseTopic=f"{TO_SALE}/7", CorrelationData=b"\x01")
        came = await rig.intake.next()
        assert await rig.listener.write(came.source, b"<y/>")
        heard = await till.hear()
        assert str(heard.topic) == f"{TO_SALE}/7"
        assert heard.properties is not None
        said = heard.properties.json()  # type: ignore[no-untyped-call]  # paho's
        assert said == {
            "CorrelationData": "01",
            "ContentType": "application/xml",
            "PayloadFormatIndicator": 1,
        }


async def test_a_response_topic_of_somebody_else_is_not_used(broker: Broker) -> None:
    with capture_logs() as records:
        async with visiting(broker) as rig, peer(broker, TO_SALE) as till:
            await till.publish(TO_POI, b"x", ResponseTopic="nexo/KASSE2/POI1/to-sale")
            came = await rig.intake.next()
            assert await rig.listener.write(came.source, b"<y/>")
            assert str((await till.hear()).topic) == TO_SALE
    assert "response_topic_not_allowed" in [one["event"] for one in records]


async def test_f82_a_retained_request_is_refused(broker: Broker) -> None:
    async with peer(broker) as till:
        await till.publish(TO_POI, b"old", retain=True)
    async with visiting(broker) as rig:
        came = await rig.intake.next()
        assert isinstance(came.refused, Retained)
        assert came.ack is not None


async def test_f83_a_request_older_than_allowed_is_refused(broker: Broker) -> None:
    ages = {
        "2027-01-15T08:00:00Z": None,
        "2027-01-15T07:58:00Z": TooOld,
        "2027-01-15T08:00:00": TooOld,
        "x": TooOld,
    }
    async with visiting(broker, max_age=60) as rig, peer(broker) as till:
        assert NOW == 1_800_000_000.0  # 2027-01-15T08:00:00Z
        for sent_at, refused in ages.items():
            await till.publish(TO_POI, b"x", UserProperty=("sent-at", sent_at))
            came = await rig.intake.next()
            assert type(came.refused) is (refused or type(None)), sent_at
        await till.publish(TO_POI, b"x")
        assert (await rig.intake.next()).refused is None


async def test_f87_a_message_above_the_cap_is_a_fault(broker: Broker) -> None:
    async with visiting(broker, max_frame=1024) as rig, peer(broker) as till:
        await till.publish(TO_POI, b"x" * 1025)
        came = await rig.intake.next()
        assert came.fault
        assert isinstance(came.refused, FrameTooLarge)
        assert (len(came.data), came.ack is not None) == (1024, True)


async def test_f85_an_answer_the_broker_does_not_let_out_is_told(tmp_path: Path) -> None:
    acl = "user bridge\ntopic read nexo/+/+/to-poi\ntopic readwrite nexo/owner/+\ntopic write nexo/status/+\n"
    password = tmp_path / "p"
    password.write_text("x\n")
    with running(tmp_path / "b", users={"bridge": "x"}, acl=acl) as broker, capture_logs() as records:
        async with visiting(broker, username="bridge", password=str(password)) as rig:
            assert not await rig.listener.write(place(), b"<y/>")
            assert rig.intake.lost == [place()]
    assert "answer_refused_by_broker" in [one["event"] for one in records]


async def test_a_broker_that_does_not_let_us_read_who_serves_is_not_up(tmp_path: Path) -> None:
    acl = "user bridge\ntopic readwrite nexo/+/+/to-poi\n"
    password = tmp_path / "p"
    password.write_text("x\n")
    with running(tmp_path / "b", users={"bridge": "x"}, acl=acl) as broker:
        async with visiting(broker, username="bridge", password=str(password), up=False) as rig:
            async with asyncio.timeout(PATIENCE):
                while "the owner record of POI1 cannot be read" not in (rig.listener.state().problem or ""):
                    await rig.listener.turned.wait()
            assert not rig.listener.state().up


async def test_f89_a_second_bridge_does_not_serve_a_terminal_and_is_seen_by_the_first(broker: Broker) -> None:
    with capture_logs() as records:
        async with visiting(broker) as first, visiting(broker, installation="two", up=False) as second:
            async with asyncio.timeout(PATIENCE):
                while "another bridge serves POI1 by nexo-bridge-one" not in (
                    second.listener.state().problem or ""
                ):
                    await second.listener.turned.wait()
            async with peer(broker) as till:
                await till.publish(TO_POI, b"x")
                assert (await first.intake.next()).data == b"x"
            assert second.intake.came.empty()
    assert "second_bridge" in [one["event"] for one in records]


async def test_f89_what_waits_for_a_bridge_that_may_not_serve_any_more_is_left_to_the_other(
    broker: Broker,
) -> None:
    async with visiting(broker):
        pass  # its session stays, and with it its subscription
    async with peer(broker) as other:
        await other.publish(OWNER, record("somebody"), retain=True)
        await other.publish(TO_POI, b"x")
    with capture_logs() as records:
        async with visiting(broker, up=False) as rig:
            async with asyncio.timeout(PATIENCE):
                while "another bridge" not in (rig.listener.state().problem or ""):
                    await rig.listener.turned.wait()
            await asyncio.to_thread(broker.heard, "Received PUBACK from nexo-bridge-one")
            assert rig.intake.came.empty()
    assert "not_ours" in [one["event"] for one in records]


async def test_f89_a_record_taken_away_by_a_person_lets_the_other_bridge_serve(broker: Broker) -> None:
    async with peer(broker) as person:
        await person.publish(OWNER, record("somebody"), retain=True)
        async with visiting(broker, up=False) as rig:
            async with asyncio.timeout(PATIENCE):
                while "another bridge" not in (rig.listener.state().problem or ""):
                    await rig.listener.turned.wait()
            await person.publish(OWNER, b"", retain=True)
            await rig.until(up=True)


async def test_status_is_retained_for_bridge_and_terminals_and_offline_when_they_are_not_there(
    broker: Broker,
) -> None:
    said: dict[str, str] = {}

    async def read() -> None:
        async with peer(broker, "nexo/status/#", "nexo/bridge/#") as person:
            for _ in range(2):
                heard = await person.hear()
                said[str(heard.topic)] = json.loads(bytes(heard.payload))["state"]

    async with visiting(broker):
        await read()
        assert said == {"nexo/status/POI1": "online", "nexo/bridge/nexo-bridge-one": "online"}
    await read()
    assert set(said.values()) == {"offline"}


async def test_other_terminals_are_served_after_a_reload(broker: Broker) -> None:
    async with visiting(broker) as rig, peer(broker) as till:
        rig.listener.serve(["POI1"])
        rig.listener.serve(["POI1", "POI2"])
        await rig.until(up=False)
        await rig.until(up=True)
        await till.publish("nexo/KASSE1/POI2/to-poi", b"x")
        assert (await rig.intake.next()).speaker.pair == ("KASSE1", "POI2")


async def test_r13_when_the_journal_takes_nothing_the_connection_ends(broker: Broker) -> None:
    async with visiting(broker, by_hand=True) as rig, peer(broker) as till:
        await till.publish(TO_POI, b"x")
        first = await rig.intake.next()
        for _ in range(2):
            await rig.timer.waits(CHECK)
            rig.timer.advance(CHECK)
        await rig.until(up=False)
        assert rig.listener.state().problem == "the journal does not take what came"
        rig.timer.advance(1.0)
        again = await rig.intake.next()
        assert (again.data, again.ack) != (b"x", first.ack)


async def test_a_fault_of_the_intake_ends_the_connection_and_not_the_listener(broker: Broker) -> None:
    async with visiting(broker, chance=0.01) as rig, peer(broker) as till:
        rig.intake.fails = True
        with capture_logs() as records:
            await till.publish(TO_POI, b"x")
            await rig.until(up=False)
        rig.intake.fails = False
        assert (await rig.intake.next()).data == b"x"
        assert "connection_failed" in [one["event"] for one in records]


async def test_i8_messages_without_acknowledgement_are_bounded(broker: Broker) -> None:
    async with visiting(broker) as rig, peer(broker) as till:
        rig.listener.stop_accepting()
        with capture_logs() as records:
            for number in range(MOST_UNASKED + 1):
                await till.publish(TO_POI, b"%d" % number, qos=0)
            await till.publish(OWNER, record("nexo-bridge-one"))
            await asyncio.to_thread(
                broker.heard,
                f"Sending PUBLISH to nexo-bridge-one (d0, q0, r0, m0, '{TO_POI}'",
                times=MOST_UNASKED + 1,
            )
            assert await rig.listener.write(place(), b"behind them")
        assert "messages_without_acknowledgement" in [one["event"] for one in records]
        assert rig.intake.came.empty()


async def test_i8_what_has_no_room_in_the_outbox_is_refused(broker: Broker) -> None:
    async with visiting(broker, max_unsent=65536, chance=1.0) as rig:
        broker.kill()
        await rig.until(up=False)
        waiting = asyncio.create_task(rig.listener.write(place(), b"x" * 60000))
        await asyncio.sleep(0)
        assert not await rig.listener.write(place(), b"x" * 6000)
        rig.listener.stop_accepting()  # nothing is waited for: the next start has it from the journal
        assert not await waiting
        assert not await rig.listener.write(place(), b"x")
        assert rig.intake.lost == []


async def test_a_file_that_cannot_be_used_is_told_at_the_start(tmp_path: Path) -> None:
    settings = MqttListen.model_validate(
        {"kind": "mqtt", "port": 1, "username": "x", "password": tmp_path / "none"}
    )
    listener = MqttListener(settings, Remembering(), installation="x", poiids=["POI1"])
    with pytest.raises(ConfigurationError, match="check ca, certificate, key, password"):
        await listener.start()
    await listener.close()


async def test_places_of_another_broker_are_not_its_own(broker: Broker) -> None:
    async with visiting(broker) as rig:
        assert not rig.listener.is_open(Source("mqtt", "other:x", address="{}"))
        assert not rig.listener.is_open(Source("tcp", "mqtt:x"))
        await rig.listener.acknowledge(Source("tcp", "tcp-1"), 1)


async def test_f84_another_process_of_our_name_is_told_and_both_slow_down(broker: Broker) -> None:
    async with visiting(broker, chance=0.01) as first, visiting(broker, chance=0.01) as second:
        async with asyncio.timeout(PATIENCE):
            while not any(
                "uses our client id" in (rig.listener.state().problem or "") for rig in (first, second)
            ):
                await first.listener.turned.wait()


async def test_a_terminal_taken_away_is_not_answered_for_any_more(broker: Broker) -> None:
    """Another bridge may serve it now: its till must not be told two things."""
    async with visiting(broker, poiids=["POI1", "POI2"]):
        pass  # the session stays, and with it both subscriptions
    with capture_logs() as records:
        async with visiting(broker, poiids=["POI1"]) as rig, peer(broker) as till:
            await till.publish("nexo/KASSE1/POI2/to-poi", b"x")
            await till.publish(TO_POI, b"y")
            assert (await rig.intake.next()).data == b"y"
            await asyncio.to_thread(broker.heard, "Received UNSUBSCRIBE from nexo-bridge-one")
    assert "not_ours" in [one["event"] for one in records]


async def test_a_bridge_that_ends_while_the_broker_goes_waits_for_nothing(broker: Broker) -> None:
    async with visiting(broker, chance=1.0) as rig:
        rig.listener.stop_accepting()
        broker.kill()
        await rig.until(up=False)
        assert not await rig.listener.write(place(), b"x")


async def test_a_fault_of_ours_while_connecting_does_not_end_the_listener(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with capture_logs() as records, monkeypatch.context() as patched:
        patched.setattr("nexo_bridge.adapters.mqtt_listener.Link", lambda *_: 1 // 0)
        async with visiting(broker, up=False, chance=0.01) as rig:
            async with asyncio.timeout(PATIENCE):
                while rig.listener.state().problem != "a fault of ours":
                    await rig.listener.turned.wait()
            patched.undo()
            await rig.until(up=True)
    assert "connection_failed" in [one["event"] for one in records]
