"""config/mosquitto as it is delivered, in a real broker: it starts, and no POS can speak or listen as another."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
import trustme

from nexo_bridge.adapters.mqtt import FAILURE, Access, Link, Will
from tests.broker import Broker, need_mosquitto
from tests.mqtt_peer import peer

FOLDER = Path(__file__).parents[1] / "config" / "mosquitto"
USERS = {"bridge": "b", "KASSE1": "k1", "KASSE%202": "k2"}


class Delivered(Broker):
    """A broker under the configuration of the project; only where its files are is another."""

    def _write_config(self) -> None:
        super()._write_config()
        text = (FOLDER / "mosquitto.conf").read_text(encoding="utf-8")
        text = text.replace("listener 8883", f"listener {self.port} 127.0.0.1")
        text = text.replace("/etc/mosquitto/nexo", str(self.folder))
        text = text.replace("/var/lib/mosquitto", str(self.folder / "store"))
        own = [line for line in self.config.read_text().splitlines() if line.startswith(("user ", "log_"))]
        self.config.write_text("\n".join([*own, text]))


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def delivered(tmp_path: Path, authority: trustme.CA) -> Iterator[Broker]:
    need_mosquitto()
    acl = (FOLDER / "acl").read_text(encoding="utf-8")
    broker = Delivered(tmp_path / "broker", users=USERS, acl=acl)
    issued = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(broker.folder / "ca.pem"))
    issued.cert_chain_pems[0].write_to_path(str(broker.folder / "broker.pem"))
    issued.private_key_pem.write_to_path(str(broker.folder / "broker.key"))
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def link(broker: Broker, authority: trustme.CA, user: str) -> Link:
    made = Access(
        "127.0.0.1",
        broker.port,
        "5",
        f"test-{user}",
        user,
        USERS[user],
        trusting(authority),
        session_expiry=60,
    )
    return Link(made, Will("nexo/bridge/test", b""), lambda _: None)


async def test_one_pos_cannot_speak_as_another(delivered: Broker, authority: trustme.CA) -> None:
    async with link(delivered, authority, "KASSE1") as till:
        allowed = await till.publish("nexo/KASSE1/POI1/to-poi", b"x")
        assert allowed < FAILURE
        for topic in (
            "nexo/KASSE%202/POI1/to-poi",
            "nexo/KASSE1/POI1/to-sale",
            "nexo/owner/POI1",
            "nexo/status/POI1",
            "nexo/bridge/b",
            "other",
        ):
            assert await till.publish(topic, b"x") >= FAILURE, topic
    async with link(delivered, authority, "KASSE%202") as till:
        assert await till.publish("nexo/KASSE%202/POI1/to-poi", b"x") < FAILURE


async def test_the_bridge_may_do_what_it_needs_and_no_more(delivered: Broker, authority: trustme.CA) -> None:
    async with link(delivered, authority, "bridge") as bridge:
        for topic in (
            "nexo/K/P/to-sale",
            "nexo/K/P/to-sale/7",
            "nexo/owner/P",
            "nexo/status/P",
            "nexo/bridge/b",
        ):
            assert await bridge.publish(topic, b"x") < FAILURE, topic
        for topic in ("nexo/K/P/to-poi", "other"):
            assert await bridge.publish(topic, b"x") >= FAILURE, topic


async def test_one_pos_does_not_hear_what_another_is_told(delivered: Broker, authority: trustme.CA) -> None:
    words: Any = {"tls_context": trusting(authority), "username": "KASSE1", "password": "k1"}
    async with (
        peer(delivered, "nexo/+/+/to-sale", "#", **words) as till,
        link(delivered, authority, "bridge") as bridge,
    ):
        await bridge.publish("nexo/KASSE%202/POI1/to-sale", b"secret")
        await bridge.publish("nexo/KASSE1/POI1/to-sale", b"own")
        assert (await till.hear()).payload == b"own"


async def test_nobody_is_anonymous(delivered: Broker, authority: trustme.CA) -> None:
    with pytest.raises(aiomqtt.MqttError):
        async with peer(delivered, tls_context=trusting(authority)):
            pass
