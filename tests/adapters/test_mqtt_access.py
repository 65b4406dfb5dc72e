"""How a broker is reached: TLS with certificates of both ends, a password, a WebSocket. With a real broker."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from pathlib import Path
from typing import Any

import pytest
import trustme
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from nexo_bridge.adapters import mqtt
from nexo_bridge.adapters.mqtt import Link, LinkLost, Will
from nexo_bridge.adapters.mqtt_access import access_of
from nexo_bridge.adapters.mqtt_settings import MqttListen
from nexo_bridge.errors import ConfigurationError
from tests.broker import Broker, Tls, running

WILL = Will("here", b"")


def settings(**words: Any) -> MqttListen:
    return MqttListen.model_validate({"kind": "mqtt", "port": 1, **words})


def ignored(_: object) -> None:
    """What comes is not looked at."""


async def connects(broker: Broker, **words: Any) -> bool:
    made = await asyncio.to_thread(access_of, settings(port=broker.port, **words), "bridge")
    try:
        async with Link(made, WILL, ignored) as link:
            return await link.publish("x", b"x") < 128
    except LinkLost:
        return False


def certificates(folder: Path) -> dict[str, Path]:
    folder.mkdir()
    made: dict[str, Path] = {}
    for name in ("broker", "other"):
        authority = trustme.CA()
        made[f"{name}-ca"] = folder / f"{name}-ca.pem"
        authority.cert_pem.write_to_path(str(made[f"{name}-ca"]))
        for identity in ("127.0.0.1", "bridge.example"):
            issued = authority.issue_cert(identity)
            made[f"{name}-{identity}"] = folder / f"{name}-{identity}.pem"
            made[f"{name}-{identity}-key"] = folder / f"{name}-{identity}.key"
            issued.cert_chain_pems[0].write_to_path(str(made[f"{name}-{identity}"]))
            issued.private_key_pem.write_to_path(str(made[f"{name}-{identity}-key"]))
    return made


async def test_tls_with_certificates_of_a_private_authority_on_both_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = certificates(tmp_path / "files")
    tls = Tls(files["broker-ca"], files["broker-127.0.0.1"], files["broker-127.0.0.1-key"], demand=True)
    ours = {"certificate": files["broker-bridge.example"], "key": files["broker-bridge.example-key"]}
    theirs = {"certificate": files["other-bridge.example"], "key": files["other-bridge.example-key"]}
    with running(tmp_path / "broker", tls=tls) as broker:
        assert await connects(broker, tls=True, ca=files["broker-ca"], **ours)
        monkeypatch.setattr(
            mqtt, "CONNECT_PATIENCE", 1.0
        )  # a broker that hangs up then is waited for all the same
        assert not await connects(broker, tls=True, ca=files["broker-ca"])
        assert not await connects(broker, tls=True, ca=files["broker-ca"], **theirs)
        assert not await connects(broker, tls=True, ca=files["other-ca"], **ours)
        assert not await connects(broker, tls=True, **ours)
        assert not await connects(broker)


async def test_a_certificate_of_another_host_is_not_the_brokers(tmp_path: Path) -> None:
    files = certificates(tmp_path / "files")
    tls = Tls(files["broker-ca"], files["broker-bridge.example"], files["broker-bridge.example-key"])
    with running(tmp_path / "broker", tls=tls) as broker:
        assert not await connects(broker, tls=True, ca=files["broker-ca"])


async def test_a_user_and_the_password_in_a_file(tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_text("secret\n")
    bad.write_text("other")
    with running(tmp_path / "broker", users={"bridge": "secret"}) as broker:
        assert await connects(broker, username="bridge", password=good)
        assert not await connects(broker, username="bridge", password=bad)


async def relay(broker: Broker, socket: ServerConnection) -> None:
    """A broker's WebSocket, which Debian's mosquitto can open on all addresses only: bytes there and back."""
    assert socket.request is not None
    assert socket.request.path == "/here"
    reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)

    async def back() -> None:
        with contextlib.suppress(ConnectionClosed, OSError):
            while data := await reader.read(4096):
                await socket.send(data)

    task = asyncio.create_task(back())
    try:
        async for message in socket:
            writer.write(message if isinstance(message, bytes) else message.encode())
    finally:
        writer.close()
        await writer.wait_closed()
        await task


@pytest.mark.parametrize("version", ["5", "3.1.1"])
async def test_a_websocket(broker: Broker, version: str) -> None:
    handler = functools.partial(relay, broker)
    async with serve(handler, "127.0.0.1", 0, subprotocols=[Subprotocol("mqtt")]) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        made = access_of(
            settings(port=port, transport="websockets", websocket_path="/here", version=version), "bridge"
        )
        async with Link(made, WILL, ignored) as link:
            assert await link.publish("x", b"x") < 128


@pytest.mark.parametrize("name", ["ca", "password", "certificate"])
def test_a_file_that_cannot_be_used_is_one_line(tmp_path: Path, name: str) -> None:
    wrong = tmp_path / "wrong"
    if name != "password":
        wrong.write_text("nonsense")
    more: dict[str, Any] = {"key": wrong} if name == "certificate" else {"username": "x"}
    with pytest.raises(
        ConfigurationError, match=r"the MQTT section mqtt cannot be used \(.*\); check ca"
    ) as told:
        access_of(settings(tls=name != "password", **{name: wrong}, **more), "bridge")
    assert "\n" not in str(told.value)


def test_what_is_secret_is_not_printed(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("secret")
    assert "secret" not in repr(access_of(settings(username="x", password=tmp_path / "p"), "bridge"))
